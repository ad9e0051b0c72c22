import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import { type TestConsole, TOKEN } from './start-console.ts'

/** A page of the dashboard, with everything that it did wrong. */
export interface OpenPage {
  readonly page: Page
  /** Console errors, errors of scripts, violations of the policy, and requests to other origins. */
  readonly faults: readonly string[]
  /** Bodies of all answers. */
  readonly answers: readonly string[]
  /** Goes to a page of the dashboard, and waits for its heading. */
  go(path: string): Promise<void>
}

/** Starts Chromium. As root it needs `--no-sandbox`. */
export function startBrowser(executablePath: string): Promise<Browser> {
  return chromium.launch({ executablePath, args: ['--no-sandbox', '--host-resolver-rules=MAP evil.example 127.0.0.1'] })
}

/** Opens the dashboard and logs in. */
export async function openPage(browser: Browser, console: TestConsole, options: BrowserContextOptions = {}): Promise<OpenPage> {
  const context = await browser.newContext({ viewport: { width: 1_280, height: 800 }, reducedMotion: 'reduce', ...options })
  const page = await context.newPage()
  // Below the limit of a test, so that a failure names what was waited for.
  page.setDefaultTimeout(20_000)
  const faults: string[] = []
  const answers: string[] = []
  const origin = new URL(console.url).origin
  page.on('console', (message) => {
    if (message.type() === 'error') faults.push(`console: ${message.text()}`)
  })
  page.on('pageerror', ({ message }) => void faults.push(`script: ${message}`))
  page.on('request', (request) => {
    if (new URL(request.url()).origin !== origin) faults.push(`request: ${request.url()}`)
  })
  page.on('response', (response) => {
    if (response.headers()['content-type'] !== 'text/event-stream')
      response.text().then(
        (text) => answers.push(text),
        () => undefined,
      )
  })
  await page.goto(console.url)
  await page.getByLabel('Token').fill(TOKEN)
  await page.getByRole('button', { name: 'Log in' }).click()
  await page.getByRole('heading', { name: 'Overview', level: 1 }).waitFor()
  return {
    page,
    faults,
    answers,
    async go(path) {
      await page.evaluate((hash) => {
        location.hash = hash
      }, `#/${path}`)
      await page.locator('main h1').waitFor()
      await page.waitForFunction((hash) => location.hash === hash, `#/${path}`)
    },
  }
}

const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** Violations of the rules of axe, one line each. It is evaluated, not loaded, so that the policy of the page stays as it is. */
export async function findViolations(page: Page): Promise<readonly string[]> {
  await page.evaluate(axe)
  return page.evaluate(async () => {
    const { axe: loaded } = globalThis as unknown as {
      readonly axe: {
        run(): Promise<{
          readonly violations: readonly { readonly id: string; readonly nodes: readonly { readonly html: string }[] }[]
        }>
      }
    }
    const { violations } = await loaded.run()
    return violations.map(
      ({ id, nodes }) =>
        `${id}: ${nodes
          .map(({ html }) => html.slice(0, 160))
          .slice(0, 3)
          .join(' | ')}`,
    )
  })
}
