import { createEtcdConnection, listPrefix, resolveEtcdConnectionOptions } from '@sd/connection-etcd'
import type { Browser } from 'playwright-core'
import { expect } from 'vitest'
import { openDashboard } from './dashboard-page.ts'
import { configKey, configPrefix, lockKey } from './roles.ts'
import { configText, type ShopFleet } from './shop-fleet.ts'
import { openTerminal } from './terminal.ts'

/** Every page, with a text that it shows once it has read everything. */
const pages = (processId: string): readonly (readonly [path: string, text: string])[] => [
  ['overview', 'All events'],
  ['services', '4 of 4'],
  ['services/orders', 'How its callers call it'],
  ['services/orders/orders-0', 'calls stock'],
  ['graph?focus=orders', 'stock'],
  ['configuration', 'versions, diff, undo'],
  [`configuration/etcd/${configKey}?from=1&to=2&path=sd.client`, 'chain verified'],
  ['processes', 'orders-0'],
  [`processes/${encodeURIComponent(processId)}`, 'The last five minutes'],
  ['performance', 'orders-0'],
  ['alerts', 'Alerts'],
  ['locks', lockKey],
  ['events', 'orders-0'],
  ['gateways', 'Gateways'],
]

/** Commands that only read. */
const reading: readonly string[] = [
  'services ls --over 200ms',
  'instances orders',
  'instance orders orders-0',
  'explain orders --over 200ms',
  'graph --over 200ms',
  'top orders --over 200ms',
  'call orders GET /',
  'problems --over 200ms',
  'changes --over 200ms',
  'processes',
  'process orders-0',
  'states',
  'routes',
  'config ls',
  `config get ${configKey}`,
  'config explain sd.client --from orders-0',
  `config history ${configKey}`,
  `config diff ${configKey} 1 2`,
  `config verify ${configKey}`,
  'alerts ls',
  'alerts rules',
  'locks ls',
  `locks holder ${lockKey}`,
  'doctor',
]
/** Those that go on until they are interrupted. */
const following: readonly string[] = ['logs follow orders', 'config watch', `locks watch ${lockKey}`, 'dashboard --port 0']
/** Commands that have nothing to do with a fleet. */
const local: readonly string[] = [
  'init',
  'generate client',
  'contexts ls',
  'contexts show',
  'contexts use',
  'config encrypt',
  'config keygen',
  'completion',
  'version',
]
/** Commands that write, which are refused. */
const writing: readonly string[] = [
  'drain orders orders-0',
  'deregister orders orders-0',
  `config rollback ${configKey} 1`,
  'breaker open stock --process orders-0',
]

/**
 * Uses every page of a dashboard and every command that reads, both without write, and compares the keys of configuration,
 * histories and locks before and after. There is a write past the history, which a reader could be tempted to record.
 */
export async function checkReadOnly(fleet: ShopFleet, browser: Browser, page: URL): Promise<void> {
  const { source } = fleet.history
  const { entries } = await source.load()
  const revision = entries.find(({ key }) => key === configKey)?.revision
  await source.put(configKey, `${configText(500)}# past the history\n`, revision === undefined ? {} : { ifRevision: revision })
  const before = await readKeys(fleet)
  expect(before.length).toBeGreaterThanOrEqual(3)
  await usePages(fleet, browser, page)
  await useCommands(fleet)
  expect(await readKeys(fleet)).toEqual(before)
}

async function usePages(fleet: ShopFleet, browser: Browser, page: URL): Promise<void> {
  await using dashboard = await openDashboard(fleet, { page, write: false })
  await using window = await dashboard.open(browser)
  await window.page.getByText('read-only').waitFor()
  let processId = ''
  await fleet.until(({ processes }) => {
    processId = processes.find(({ name }) => name === 'orders-0')?.processId ?? ''
    expect(processId).not.toBe('')
  })
  for (const [path, text] of pages(processId)) {
    await window.go(path)
    await window.page.locator('main').getByText(text).first().waitFor()
    const buttons = await window.page.locator('main button').allTextContents()
    expect(buttons.filter((name) => /^(?:Drain|Undrain|Deregister|Restore .*|Open|Close)$/.test(name))).toEqual([])
  }
  expect(window.faults).toEqual([])
}

async function useCommands(fleet: ShopFleet): Promise<void> {
  await using terminal = await openTerminal(fleet, { write: false })
  const { registry } = fleet.urls
  const all = [...reading, `migrate diff ${registry} ${registry}`]
  for (const line of all) {
    const { code, err } = await terminal.sdctl(line)
    // 0: fine. 1: it found something that is wrong.
    expect([line, code, err]).toEqual([line, expect.toBeOneOf([0, 1]), ''])
  }
  const withoutCanary = `canary show ${configKey}`
  expect((await terminal.sdctl(withoutCanary)).err).toContain('has no canary release')
  for (const line of following) expect([line, (await terminal.look(line)).err]).toEqual([line, ''])
  for (const line of writing) expect([line, (await terminal.sdctl(`${line} --yes --reason x`)).code]).toEqual([line, 4])
  const used = [...all, withoutCanary, ...following, ...local]
  const { out } = await terminal.sdctl('completion bash')
  const missing = commandsThatRead(out).filter((name) => !used.some((line) => line === name || line.startsWith(`${name} `)))
  expect(missing).toEqual([])
}

/** Names of the commands that take no reason, from the script for completion. */
function commandsThatRead(script: string): readonly string[] {
  const found = [...script.matchAll(/^ +"([a-z -]+)"\) words="([^"]*)"/gm)].map(([, name = '', words = '']) => ({ name, words }))
  const groups = new Set(
    found.map(({ name }) => name.split(' ', 1)[0]).filter((word) => found.some(({ name }) => name.startsWith(`${word} `))),
  )
  return found.filter(({ name, words }) => !groups.has(name) && !words.includes('--reason')).map(({ name }) => name)
}

/** The keys of configuration, histories and locks, with the revision of their last write. */
async function readKeys({ etcd }: ShopFleet): Promise<readonly string[]> {
  const connection = createEtcdConnection(resolveEtcdConnectionOptions({ servers: [etcd] }, 'test'))
  try {
    const lists = await Promise.all(
      [configPrefix, '/sd/locks/'].map((prefix) => connection.run((client) => listPrefix(client, prefix))),
    )
    return lists.flatMap(({ entries }) => [...entries].map(([key, { modRevision }]) => `${key} ${modRevision}`)).sort()
  } finally {
    connection.close()
  }
}
