import type { Chromium } from '@sd/test-servers/chromium'
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'

declare global {
  // Names that the types of playwright-core use. The library of browsers would bring thousands more, and conflict with Node's types.
  interface Node {}
  interface HTMLElement {}
  interface SVGElement {}
  interface HTMLElementTagNameMap {}
}

/** Where a dashboard is, and the token of its login. */
export interface PageAddress {
  readonly url: string
  readonly token: string
}

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
export function startBrowser({ executablePath, env }: Chromium): Promise<Browser> {
  return chromium.launch({
    executablePath,
    env: { ...process.env, ...env },
    args: ['--no-sandbox', '--host-resolver-rules=MAP evil.example 127.0.0.1'],
  })
}

/** Opens a dashboard and logs in: it then shows the overview. */
export async function openPage(
  browser: Browser,
  { url, token }: PageAddress,
  options: BrowserContextOptions = {},
): Promise<OpenPage> {
  const context = await browser.newContext({ viewport: { width: 1_280, height: 800 }, reducedMotion: 'reduce', ...options })
  const page = await context.newPage()
  // Below the limit of a test, so that a failure names what was waited for.
  page.setDefaultTimeout(20_000)
  const faults: string[] = []
  const answers: string[] = []
  const { origin } = new URL(url)
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
  await page.goto(url)
  await page.getByLabel('Token').fill(token)
  await page.getByRole('button', { name: 'Log in' }).click()
  await page.getByRole('heading', { name: 'Overview', level: 1 }).waitFor()
  return {
    page,
    faults,
    answers,
    async go(path) {
      // As texts: the types of browsers are not known here.
      const hash = JSON.stringify(`#/${path}`)
      await page.evaluate(`location.hash = ${hash}`)
      await page.locator('main h1').waitFor()
      await page.waitForFunction(`location.hash === ${hash}`)
    },
  }
}
