import { buildPage, openPage, startBrowser } from '@sd/test-browser'
import { obtainChromium } from '@sd/test-servers/chromium'
import { startConsole } from './start-console.ts'

// Measures the page with 500 processes and 300 services: node src/testing/measure-page.ts, in packages/dashboard. Nothing depends on the
// figures, because they depend on the machine.

const chromium = await obtainChromium()
if (!chromium) throw new Error('There is no Chromium')
const updates = 100

await using built = await buildPage()
await using console = await startConsole({ page: built.folder, script: { moreServices: 296, moreProcesses: 491 } })
const browser = await startBrowser(chromium)
const { page, go } = await openPage(browser, console)
const session = await page.context().newCDPSession(page)
await session.send('Performance.enable')

async function readMetrics(): Promise<ReadonlyMap<string, number>> {
  const { metrics } = await session.send('Performance.getMetrics')
  return new Map(metrics.map(({ name, value }) => [name, value]))
}

for (const path of ['overview', 'services', 'processes', 'graph?focus=service-7']) {
  await go(path)
  const startedAt = performance.now()
  await page.reload()
  await page.locator('main h1', { hasNotText: 'Fleet' }).waitFor()
  const shownMs = performance.now() - startedAt
  const paintMs = await page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime)
  const before = await readMetrics()
  for (let index = 0; index < updates; index++) {
    console.fleet.advance(2_000)
    await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve, 30))))
  }
  await session.send('HeapProfiler.collectGarbage')
  const after = await readMetrics()
  const spent = (name: string): string => ((((after.get(name) ?? 0) - (before.get(name) ?? 0)) * 1_000) / updates).toFixed(1)
  const heap = (metrics: ReadonlyMap<string, number>): string => ((metrics.get('JSHeapUsedSize') ?? 0) / 1_048_576).toFixed(1)
  process.stdout.write(
    `${path}: first paint ${paintMs?.toFixed(0)} ms, rows after ${shownMs.toFixed(0)} ms; each update ${spent('ScriptDuration')} ms of script, ` +
      `${spent('LayoutDuration')} ms of layout; heap ${heap(before)} to ${heap(after)} MiB after ${updates} updates\n`,
  )
}
const whole = Buffer.byteLength(await (await page.request.get(`${console.url}api/model`)).body())
process.stdout.write(`the whole model: ${(whole / 1_024).toFixed(0)} KiB\n`)
await browser.close()
