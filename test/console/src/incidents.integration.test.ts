import { type BuiltPage, buildPage, startBrowser } from '@sd/test-browser'
import { obtainServer } from '@sd/test-servers'
import { obtainChromium } from '@sd/test-servers/chromium'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { openDashboard } from './dashboard-page.ts'
import { incidents } from './incidents.ts'
import { checkReadOnly } from './read-only.ts'
import { type ShopFleet, startShopFleet } from './shop-fleet.ts'
import { openTerminal } from './terminal.ts'

/** Commands or clicks that an operator may need for an incident. */
const most = 4
/** An incident waits for leases, polls and breakers, and a busy machine is several times slower. */
const timeout = 180_000

const etcd = await obtainServer('etcd')
const chromium = await obtainChromium()

describe.runIf(etcd)('incidents', () => {
  let fleet: ShopFleet
  beforeAll(async () => {
    if (etcd) fleet = await startShopFleet(etcd)
  }, timeout)
  afterAll(() => fleet?.[Symbol.asyncDispose]())

  test.each(incidents)('$name: found and undone with commands', { timeout }, async ({ begin, byCommands, isUndone, end }) => {
    await using terminal = await openTerminal(fleet, { write: true })
    const scene = await begin(fleet)
    onTestFinished(() => end(fleet, scene), timeout)
    await byCommands({ fleet, terminal, scene })
    await isUndone(fleet, scene)
    expect(terminal.commands.length, terminal.commands.join('\n')).toBeLessThanOrEqual(most)
  })

  describe.runIf(chromium)('in Chromium', () => {
    let browser: Browser
    let page: BuiltPage
    beforeAll(async () => {
      if (chromium) [browser, page] = await Promise.all([startBrowser(chromium), buildPage()])
    }, timeout)
    afterAll(async () => {
      await browser?.close()
      await page?.[Symbol.asyncDispose]()
    })

    test('without write, no page and no command changes configuration, histories or locks', { timeout }, async () => {
      await checkReadOnly(fleet, browser, page.folder)
    })

    // The last one first: after the breaker's incident instances are ejected for 30 s, and get no attempts to compare.
    test.each([...incidents.slice(-1), ...incidents.slice(0, -1)])(
      '$name: found and undone with clicks',
      { timeout },
      async ({ begin, byClicks, isUndone, end }) => {
        await using dashboard = await openDashboard(fleet, { page: page.folder, write: true })
        // Open before the incident: only a reader that was there knows what a paused process did.
        await using window = await dashboard.open(browser)
        const scene = await begin(fleet)
        onTestFinished(() => end(fleet, scene), timeout)
        await byClicks({ fleet, window, scene })
        await isUndone(fleet, scene)
        expect(window.clicks.length, window.clicks.join('\n')).toBeLessThanOrEqual(most)
        expect(window.faults).toEqual([])
      },
    )
  })
})
