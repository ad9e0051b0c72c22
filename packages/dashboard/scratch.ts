import { chromium } from 'playwright-core'
import { buildPage, startConsole, TOKEN } from './src/testing/start-console.ts'

const page_ = await buildPage()
const console_ = await startConsole({ page: page_.folder, write: true, logsLink: 'https://logs.example/?q={instance}' })
const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] })
const context = await browser.newContext({ viewport: { width: 1280, height: 860 } })
const page = await context.newPage()
page.on('console', (m) => console.log('CONSOLE', m.type(), m.text()))
page.on('pageerror', (e) => console.log('PAGEERROR', e.message))
await page.goto(console_.url)
await page.fill('input[name=secret]', TOKEN)
await page.screenshot({ path: '/tmp/shots/login.png' })
await page.click('button[type=submit]')
for (const f of ['unhealthy', 'slow', 'breaker', 'alert'] as const) console_.fleet.set(f, true)
await page.waitForSelector('.tiles')
for (let i = 0; i < 20; i++) console_.fleet.advance(2000)
const go = async (name: string, hash: string) => {
  await page.goto(console_.url + '#/' + hash)
  await page.waitForTimeout(500)
  await page.screenshot({ path: `/tmp/shots/${name}.png` })
}
for (const [n, h] of Object.entries({
  overview: 'overview',
  services: 'services',
  service: 'services/stock',
  orders: 'services/orders',
  instance: 'services/orders/orders-2',
  graph: 'graph?focus=orders',
  configuration: 'configuration',
  entry: 'configuration/etcd/orders.yaml?from=3&to=4&path=db.pool.size',
  processes: 'processes',
  process: 'processes/p-orders-2',
  performance: 'performance',
  alerts: 'alerts',
  locks: 'locks',
  events: 'events',
  gateways: 'gateways',
}))
  await go(n, h)
await page.emulateMedia({ colorScheme: 'dark' })
await go('overview-dark', 'overview')
await page.setViewportSize({ width: 390, height: 844 })
await go('overview-390', 'overview')
await go('services-390', 'services')
await go('entry-390', 'configuration/etcd/orders.yaml')
await browser.close()
await console_[Symbol.asyncDispose]()
await page_[Symbol.asyncDispose]()
