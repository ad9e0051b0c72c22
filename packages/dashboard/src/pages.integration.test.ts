import { once } from 'node:events'
import { stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type BuiltPage, buildPage, type OpenPage, openPage, startBrowser } from '@sd/test-browser'
import { obtainChromium } from '@sd/test-servers/chromium'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { findViolations } from './testing/find-violations.ts'
import { startConsole, type TestConsole, type TestConsoleOptions, TOKEN } from './testing/start-console.ts'

const chromium = await obtainChromium()

/** Every page, with a text that it shows for the faults of the script. */
const pages: readonly (readonly [path: string, text: string])[] = [
  ['overview', 'stock-1 gets nothing from all 4 callers'],
  ['services', '1 of 2'],
  ['services/stock', 'stock-1 gets nothing from all 4 callers: health.'],
  ['services/orders', 'orders-2 is 10 × slower than the median of orders'],
  ['services/orders/orders-2', 'its own fault'],
  ['graph?focus=orders', 'called, not declared'],
  ['configuration', 'versions, diff, undo'],
  ['configuration/etcd/orders.yaml?from=3&to=4&path=db.pool.size', 'in effect'],
  ['processes', 'cron'],
  ['processes/p-orders-2', '/stock/42'],
  ['performance', 'postgresql'],
  ['alerts', 'service=stock'],
  ['locks', '18446744073709551615'],
  ['events', 'closed to open'],
  ['gateways', 'want a service of the table'],
]

/** Themes and widths that axe looks at: with `SD_FAULTS=long`, which `pnpm test:console` sets, all of them. */
const looks = (
  [
    ['light', 1_280],
    ['dark', 390],
    ['dark', 1_280],
    ['light', 390],
  ] as const
).slice(0, process.env['SD_FAULTS'] === 'long' ? 4 : 1)

describe.runIf(chromium)('the pages in Chromium', () => {
  let browser: Browser
  let built: BuiltPage

  beforeAll(async () => {
    if (chromium) [browser, built] = await Promise.all([startBrowser(chromium), buildPage()])
  })
  afterAll(async () => {
    await browser?.close()
    await built?.[Symbol.asyncDispose]()
  })

  async function start(options: TestConsoleOptions = {}): Promise<TestConsole> {
    const console = await startConsole({ page: built.folder, write: true, ...options })
    onTestFinished(() => console[Symbol.asyncDispose]())
    return console
  }

  async function open(console: TestConsole, options: Parameters<typeof openPage>[2] = {}): Promise<OpenPage> {
    const opened = await openPage(browser, console, options)
    onTestFinished(() => opened.page.context().close())
    return opened
  }

  function breakEverything({ fleet }: TestConsole): void {
    for (const fault of ['unhealthy', 'slow', 'breaker', 'alert'] as const) fleet.set(fault, true)
  }

  test('a wrong token is refused, the right one opens, the logout closes', async () => {
    const console = await start({ write: false })
    const { page, faults } = await open(console)
    await page.getByRole('button', { name: 'Log out' }).click()
    await page.getByLabel('Token').fill('another-token-of-some-length')
    await page.getByRole('button', { name: 'Log in' }).click()
    await page.getByText('That is wrong').waitFor()
    // Chromium itself reports the status 401 of a login.
    expect(faults.filter((fault) => !fault.includes('401'))).toEqual([])
    await page.getByLabel('Token').fill(TOKEN)
    await page.getByRole('button', { name: 'Log in' }).click()
    await page.getByText('read-only').waitFor()
    expect(await page.evaluate(() => document.cookie)).toBe('')
  })

  test('each page shows the faults, without an error, a violation of the policy or a request elsewhere', async () => {
    const console = await start()
    breakEverything(console)
    const { page, faults, go, answers } = await open(console)
    for (const [path, text] of pages) {
      await go(path)
      await page.locator('main').getByText(text).first().waitFor()
    }
    expect(faults).toEqual([])
    expect(answers.join('').length).toBeGreaterThan(10_000)
    expect(answers.filter((answer) => answer.includes('tiger-canary'))).toEqual([])
    await go('services/stock')
    await page.getByText('stock-1 gets nothing').first().waitFor()
    console.fleet.set('unhealthy', false)
    await page.getByText('Every instance gets traffic from all its callers.').waitFor({ timeout: 10_000 })
    expect(await page.getByText('stock-1 gets nothing').count()).toBe(0)
  })

  test('an operator undoes a configuration from the overview with four clicks', async () => {
    const console = await start()
    breakEverything(console)
    const { page } = await open(console)
    await page.getByRole('link', { name: 'orders.yaml: version 3 to 4' }).click()
    await page.getByRole('link', { name: 'orders.yaml', exact: true }).click()
    await page.getByRole('button', { name: 'Restore 3…' }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByText('db.pool.size').waitFor()
    expect(await dialog.locator('.diff-values').textContent()).toBe('db.pool.size 1000 → 10')
    const restore = dialog.getByRole('button', { name: 'Restore version 3' })
    expect(await restore.isDisabled()).toBe(true)
    await dialog.getByLabel('Reason').fill('the pool exhausts the database')
    await restore.click()
    await dialog.getByText('Done.').waitFor()
    await dialog.getByRole('button', { name: 'Close' }).click()
    await page.getByText('5 in effect', { exact: true }).waitFor()
    expect((await console.history.list())[0]).toMatchObject({
      change: 'rollback',
      of: 3,
      author: 'token',
      comment: 'the pool exhausts the database',
    })
    expect(console.audit.at(-1)).toMatchObject({ action: 'config.rollback', target: 'etcd orders.yaml' })
  })

  test('a second writer makes it a conflict, and nothing is overwritten', async () => {
    const console = await start()
    const { page, go } = await open(console)
    await go('configuration/etcd/orders.yaml')
    await page.getByRole('button', { name: 'Restore 2…' }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByLabel('Reason').fill('back')
    await dialog.getByText('db.pool.size').waitFor()
    await console.history.put('db: {}', { author: 'carol', comment: 'quicker' })
    await dialog.getByRole('button', { name: 'Restore version 2' }).click()
    await dialog.getByText('orders.yaml is at version 5, not 4').waitFor()
    await dialog.getByText('Version 5 was written since').waitFor()
    expect((await console.history.list())[0]).toMatchObject({ version: 5, author: 'carol' })
  })

  test('a breaker is closed, an alert silenced and a canary release extended', async () => {
    const console = await start()
    breakEverything(console)
    const { page, go } = await open(console)
    async function confirm(action: string): Promise<void> {
      const dialog = page.getByRole('dialog')
      await dialog.getByLabel('Reason').fill('a drill')
      await dialog.getByRole('button', { name: action, exact: true }).click()
      await dialog.getByText('Done.').waitFor()
      await dialog.getByRole('button', { name: 'Close', exact: true }).last().click()
    }
    await go('services/orders')
    const row = page.getByRole('row', { name: /^reports all open/ })
    await row.getByRole('button', { name: 'Close' }).click()
    await confirm('Close')
    await page.getByRole('row', { name: /^reports all closed/ }).waitFor()
    await go('alerts')
    await page.getByRole('button', { name: 'Silence…' }).click()
    await confirm('Silence')
    await page.getByText('firing, silenced').waitFor()
    await go('configuration/etcd/orders.yaml')
    await page.getByRole('button', { name: '50 %' }).click()
    await confirm('50 %')
    await page.getByText('50 % of the instances').waitFor({ timeout: 20_000 })
    expect(console.fleet.changes.map(({ path }) => path)).toEqual(['/breakers/orders', '/alerts/silences'])
  })

  test('a read-only page has no button that changes something', async () => {
    const console = await start({ write: false })
    breakEverything(console)
    const { page, go } = await open(console)
    for (const [path] of pages) {
      await go(path)
      await page.locator('main table, main section').first().waitFor()
      const names = await page.locator('main button:not(.sort)').allTextContents()
      expect(names.filter((name) => /restore|silence|close|open|drain|promote|abort|%|end/i.test(name))).toEqual([])
    }
  })

  test('a page of another port of this host reads nothing, changes nothing and cannot frame it', async () => {
    const console = await start()
    const { page } = await open(console)
    const evil = createServer((_, response) => response.setHeader('content-type', 'text/html').end('<title>evil</title>')).listen(
      0,
      '127.0.0.1',
    )
    await once(evil, 'listening')
    onTestFinished(() => void evil.close())
    const other = await page.context().newPage()
    await other.goto(`http://127.0.0.1:${(evil.address() as AddressInfo).port}/`)
    const results = await other.evaluate(async (target) => {
      const attempt = (path: string, init: RequestInit = {}): Promise<string> =>
        fetch(`${target}api/${path}`, { credentials: 'include', ...init }).then(
          (response) => `${response.type} ${response.status}`,
          () => 'refused',
        )
      const body = JSON.stringify({ action: 'draining', processId: 'p-cron', draining: true, reason: 'x' })
      const events = new EventSource(`${target}api/events`, { withCredentials: true })
      const stream = await new Promise((resolve) => {
        events.onerror = () => resolve('refused')
        events.onmessage = () => resolve('open')
      })
      events.close()
      const frame = document.createElement('iframe')
      frame.src = target
      document.body.append(frame)
      await new Promise((resolve) => frame.addEventListener('load', resolve, { once: true }))
      let framed = 'refused'
      try {
        framed = frame.contentDocument ? 'open' : 'refused'
      } catch {
        framed = 'refused'
      }
      return [
        await attempt('model'),
        await attempt('changes', { method: 'POST', headers: { 'content-type': 'application/json', 'x-sd-console': '1' }, body }),
        await attempt('changes', { method: 'POST', mode: 'no-cors', body }),
        stream,
        framed,
      ]
    }, console.url)
    expect(results).toEqual(['refused', 'refused', 'refused', 'refused', 'refused'])
    expect(console.fleet.changes).toEqual([])
    // A name that was pointed at this address.
    const rebound = await other.goto(`http://evil.example:${console.port}/`)
    expect(rebound?.status()).toBe(421)
  })

  test('hostile names are text', async () => {
    const hostile = '<img src=x onerror="document.title=\'owned\'">\u202egnp.exe\u0007 ../../{{7*7}} javascript:alert(1)'
    const console = await start({ script: { hostile } })
    for (const fault of ['unhealthy', 'breaker', 'silent'] as const) console.fleet.set(fault, true)
    const { page, faults, go } = await open(console)
    for (const path of [
      'overview',
      'services',
      `services/${encodeURIComponent(`catalog${hostile}`)}`,
      'graph?all=yes',
      'processes',
      'events',
    ]) {
      await go(path)
      await page.getByText('<img src=x').first().waitFor({ state: 'attached' })
    }
    expect(await page.locator('main img, main script').count()).toBe(0)
    expect(await page.evaluate(() => document.body.innerHTML.includes('\u202e'))).toBe(false)
    expect(faults).toEqual([])
  })

  test.each(looks)(
    'axe finds nothing on any page, %s and %i wide',
    async (colorScheme, width) => {
      const console = await start()
      breakEverything(console)
      const { page, go } = await open(console, { colorScheme, viewport: { width, height: 844 } })
      const found: string[] = []
      const check = async (what: string): Promise<void> => {
        const isWide = await page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth)
        if (isWide) found.push(`${what}: the page scrolls sideways`)
        for (const violation of await findViolations(page)) found.push(`${what}: ${violation}`)
      }
      for (const [path, text] of pages) {
        await go(path)
        await page.locator('main').getByText(text).first().waitFor()
        await check(path)
      }
      await go('configuration/etcd/orders.yaml')
      await page.getByRole('button', { name: 'Restore 2…' }).click()
      await page.getByRole('dialog').getByText('db.pool.size').waitFor()
      await check('the dialog of an undo')
      await page.keyboard.press('Escape')
      await page.getByRole('button', { name: 'Log out' }).click()
      await page.getByLabel('Token').waitFor()
      await check('the login')
      expect(found).toEqual([])
    },
    60_000,
  )

  test('the keyboard is enough: search, open, why, undo', async () => {
    const console = await start()
    breakEverything(console)
    const { page, go } = await open(console)
    await page.keyboard.press('/')
    await page.keyboard.type('stock')
    await page.getByRole('option', { name: /^service stock$/ }).waitFor()
    await page.keyboard.press('ArrowDown')
    await page.keyboard.press('ArrowUp')
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: 'stock', level: 1 }).waitFor()
    expect(await page.evaluate(() => document.activeElement?.tagName)).toBe('H1')
    const focusOn = async (name: string): Promise<void> => {
      for (let index = 0; index < 60; index++) {
        if ((await page.evaluate(() => document.activeElement?.textContent ?? '')).startsWith(name)) return
        await page.keyboard.press('Tab')
      }
      throw new Error(`Tab did not reach ${name}`)
    }
    await focusOn('Why, and what to do')
    await page.keyboard.press('Enter')
    await page.getByText('Free space on its disk').waitFor()
    await go('configuration/etcd/orders.yaml')
    await page.getByRole('button', { name: 'Restore 3…' }).waitFor()
    await focusOn('Restore 3…')
    await page.keyboard.press('Enter')
    await page.getByRole('dialog').getByText('db.pool.size').waitFor()
    await page.keyboard.type('by keyboard')
    await page.keyboard.press('Enter')
    await page.getByRole('dialog').getByText('Done.').waitFor()
    await page.keyboard.press('Escape')
    expect(await page.evaluate(() => document.activeElement?.textContent)).toContain('Restore 3…')
  })

  test('filters and sorting are in the address, and a reload keeps them', async () => {
    const console = await start()
    console.fleet.set('unhealthy', true)
    const { page, go } = await open(console)
    await go('services')
    await page.getByLabel('Filter services').fill('unhealthy')
    await page.getByRole('button', { name: 'Calls/s' }).click()
    await page.getByText('1 of 4').waitFor()
    expect(new URL(page.url()).hash).toBe('#/services?q=unhealthy&services.sort=-Calls%2Fs')
    await page.reload()
    await page.getByText('1 of 4').waitFor()
    expect(await page.getByRole('columnheader', { name: 'Calls/s' }).getAttribute('aria-sort')).toBe('descending')
  })

  test('a server that is unreachable is reported, and the page goes on by itself', async () => {
    const console = await start()
    const { page } = await open(console)
    await page.getByText('live', { exact: false }).first().waitFor()
    await console.stop()
    await page.getByText('stale since').waitFor({ timeout: 20_000 })
    await console.start()
    console.fleet.set('slow', true)
    await page.getByText('10 × slower').first().waitFor({ timeout: 20_000 })
    await page
      .getByText(/live|every 5 s/)
      .first()
      .waitFor()
  })

  test('below a path, and behind a proxy that holds streams back', async () => {
    const console = await start({
      basePath: '/ops/sd',
      before(request, response) {
        if (!request.url?.startsWith('/ops/sd/api/events')) return false
        // The head of the response arrives, and nothing of its body.
        response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders()
        return true
      },
    })
    const { page, faults } = await open(console)
    await page.getByText('every 5 s').waitFor({ timeout: 20_000 })
    console.fleet.set('slow', true)
    await page.getByText('10 × slower').first().waitFor({ timeout: 20_000 })
    expect(faults).toEqual([])
  })

  test('300 services and 500 processes: lists and the graph stay usable', async () => {
    const console = await start({ script: { moreServices: 296, moreProcesses: 491 } })
    const { page, go, faults } = await open(console)
    await go('services')
    await page.getByText('300 of 300').waitFor()
    expect(await page.locator('tbody tr').count()).toBe(100)
    await page.getByRole('button', { name: 'Show 300 rows' }).click()
    await expect.poll(() => page.locator('tbody tr').count()).toBe(300)
    await go('graph?all=yes')
    await page.getByText('are too many to draw').waitFor()
    await go('graph?focus=service-7')
    await page.locator('.node').first().waitFor()
    expect(await page.locator('.node').count()).toBeLessThan(10)
    expect(faults).toEqual([])
  })

  test('pictures of the pages for the documents', async () => {
    const console = await start({ script: { startsAt: Date.UTC(2026, 2, 3, 11, 52) } })
    breakEverything(console)
    for (let index = 0; index < 30; index++) console.fleet.advance(2_000)
    const { page, go } = await open(console, { viewport: { width: 1_120, height: 680 }, timezoneId: 'UTC' })
    const wanted = [
      ['overview', 'overview', 'The breaker of reports'],
      ['service', 'services/stock', 'stock-1 gets nothing'],
      ['instance', 'services/orders/orders-2', 'its own fault'],
      ['graph', 'graph?focus=orders', 'called, not declared'],
      ['configuration', 'configuration/etcd/orders.yaml?from=3&to=4', 'chain verified'],
      ['gateways', 'gateways', 'want a service of the table'],
    ] as const
    // They are committed. With SD_WRITE_PICTURES=true they are written again.
    const folder = new URL('../../../docs/guides/pictures/', import.meta.url)
    for (const [name, path, text] of wanted) {
      await go(path)
      await page.locator('main').getByText(text).first().waitFor()
      const picture = await page.screenshot({ animations: 'disabled' })
      expect(picture.subarray(1, 4).toString()).toBe('PNG')
      const file = new URL(`console-${name}.png`, folder)
      if (process.env['SD_WRITE_PICTURES'] === 'true') await writeFile(file, picture)
      expect((await stat(file)).size).toBeLessThan(150_000)
    }
  })
})
