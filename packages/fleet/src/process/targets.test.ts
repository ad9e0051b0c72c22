import { createServiceInstance } from '@sd/core'
import { expect, test } from 'vitest'
import { privateNetworks, readNetworks } from './networks.ts'
import { ProcessTable } from './process-table.ts'
import { findTargets, readProcessAddress } from './targets.ts'

const instance = (service: string, id: string, address: string, port?: number) =>
  createServiceInstance({ service, id, address, port: 80, ...(port !== undefined && { ports: { 'sd-admin': port } }) })

test('instances with one admin port lead to one endpoint; those of the options come first', () => {
  const instances = [
    instance('orders', 'o', '10.0.0.1', 9465),
    instance('stock', 's', '10.0.0.1', 9465),
    instance('shop', 'x', '10.0.0.1'),
    instance('v6', 'v', 'fd00::1', 9465),
  ]
  const configured = [readProcessAddress('processes[0]', '10.0.0.9:9465'), readProcessAddress('processes[1]', '10.0.0.1:9465')]
  const { targets, omitted } = findTargets(instances, configured, false, 10)
  expect(targets.map(({ origin, instances: found }) => [origin, found.map(({ service }) => service)])).toEqual([
    ['http://10.0.0.9:9465', []],
    ['http://10.0.0.1:9465', ['orders', 'stock']],
    ['http://[fd00::1]:9465', ['v6']],
  ])
  expect(omitted).toBe(0)
  expect(findTargets(instances, configured, true, 2)).toMatchObject({ targets: [{}, {}], omitted: 2 })
})

test.each([
  ['cron:9465', { host: 'cron', port: 9465, isSecure: false }],
  ['https://[::1]:9465', { host: '::1', port: 9465, isSecure: true }],
])('the address %s', (text, expected) => {
  expect(readProcessAddress('processes[0]', text)).toEqual(expected)
})

test.each([
  '',
  'ftp://cron:1',
  'http://u:p@cron:1',
  'cron:1/path',
  'cron:1?x',
  'cron:0',
  'cron:65536',
  'cron',
  '/x',
  'http:///x:1',
  5,
])('not an address: %j', (text) => {
  expect(() => readProcessAddress('processes[0]', text)).toThrow(
    expect.objectContaining({ code: 'SD_INVALID', field: 'processes[0]' }),
  )
})

test('networks', () => {
  const networks = readNetworks('allowedNetworks', ['10.0.0.0/8', '2001:db8::/32', '::ffff:192.0.2.0/120', '198.51.100.7'])
  const addresses = [
    '10.9.9.9',
    '11.0.0.1',
    '2001:db8::5',
    '2001:db9::',
    '192.0.2.7',
    '::ffff:192.0.2.7',
    '198.51.100.7',
    '198.51.100.8',
    'host',
  ]
  expect(addresses.map((address) => networks.has(address))).toEqual([true, false, true, false, true, true, true, false, false])
  expect(['127.0.0.1', '::1', 'fd00::1', '172.31.0.1', '100.64.0.1'].every((address) => privateNetworks.has(address))).toBe(true)
  expect(['172.32.0.1', '169.254.169.254', 'fe80::1', '0.0.0.0', '::'].some((address) => privateNetworks.has(address))).toBe(
    false,
  )
  for (const bad of ['10.0.0.0/33', 'host', '10.0.0.0/-1', 5, '::ffff:0:0/90']) {
    expect(() => readNetworks('allowedNetworks', [bad as string])).toThrow(
      expect.objectContaining({ field: 'allowedNetworks[0]' }),
    )
  }
})

test('an endpoint that is no longer found is removed, and one that is found again begins as new', () => {
  const table = new ProcessTable()
  const { targets } = findTargets(
    [instance('orders', 'o', '10.0.0.1', 9465), instance('stock', 's', '10.0.0.2', 9465)],
    [],
    false,
    10,
  )
  expect(table.sync(targets, 1)).toEqual([])
  const [first] = [...table.entries]
  expect(table.sync(targets, 2)).toEqual([])
  expect([...table.entries][0]).toBe(first)
  expect(table.sync(targets.slice(1), 3)).toEqual([first])
  expect([...table.entries]).toHaveLength(1)
  table.sync(targets, 4)
  expect([...table.entries].at(-1)).toMatchObject({ state: 'new', since: 4 })
})
