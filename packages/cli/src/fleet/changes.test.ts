import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { FleetModel } from '@sd/fleet'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createExampleConfig, ordersText } from '../testing/example-config.ts'
import { createExampleFleet } from '../testing/example-fleet.ts'
import { exampleModel, NOON } from '../testing/example-model.ts'
import { type SdctlOptions, sdctl } from '../testing/run-sdctl.ts'
import { expectSchema } from '../testing/schemas.ts'

let home = ''
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'sd-cli-'))
  await mkdir(join(home, 'sdctl'))
  const contexts = "current: dev\ncontexts: [{ name: dev, registry: 'memory:', config: 'memory:', write: true }]\n"
  await writeFile(join(home, 'sdctl', 'config.yaml'), contexts)
})
afterAll(() => rm(home, { recursive: true }))

function change(argv: readonly string[], options: SdctlOptions) {
  const env = { XDG_CONFIG_HOME: home, SD_AUTHOR: 'ann' }
  return sdctl([...argv, '--reason', 'a test', '--yes'], { env, cwd: home, now: () => NOON, ...options })
}

describe('a change of processes', () => {
  test.each([
    [
      ['breaker', 'open', 'orders', '--process', 'shop'],
      [{ processId: 'p-shop-0', path: '/breakers/orders', body: { reason: 'a test (ann)', state: 'open' } }],
      'shop-0: the breaker of orders is open',
    ],
    [
      ['breaker', 'isolate', 'orders', 'a/b', '--process', 'p-shop-0'],
      [{ processId: 'p-shop-0', path: '/breakers/orders/a%2Fb', body: { reason: 'a test (ann)', state: 'isolated' } }],
      'the breaker of orders/a/b is isolated',
    ],
    [
      ['breaker', 'close', 'orders', '--process', 'shop-0'],
      [{ processId: 'p-shop-0', path: '/breakers/orders', body: { reason: 'a test (ann)', state: 'closed' } }],
      'shop-0   open  closed',
    ],
    [
      ['drain', 'orders', 'orders-1'],
      [
        {
          processId: 'p-orders-1',
          path: '/draining',
          body: { reason: 'a test (ann)', draining: true, service: 'orders', instanceId: 'orders-1' },
        },
      ],
      'others    2 healthy',
    ],
    [
      ['drain', 'shop', 'shop-0', '--undo'],
      [
        {
          processId: 'p-shop-0',
          path: '/draining',
          body: { reason: 'a test (ann)', draining: false, service: 'shop', instanceId: 'shop-0' },
        },
      ],
      'shop-0 gets traffic again',
    ],
    [
      ['alerts', 'silence', 'errors', '--for', '2h', '--label', 'service=orders'],
      [
        {
          processId: 'p-shop-0',
          path: '/alerts/silences',
          body: { reason: 'a test (ann)', rule: 'errors', labels: { service: 'orders' }, durationMs: 7_200_000 },
        },
      ],
      'No one will be notified about errors with service=orders for 2h:',
    ],
    [
      ['alerts', 'unsilence', 's1'],
      [{ processId: 'p-shop-0', path: '/alerts/silences/s1/expire', body: { reason: 'a test (ann)' } }],
      'the silence of slow has ended',
    ],
  ])('%j is sent to its processes, with reason and author', async (argv, changes, line) => {
    const fleet = createExampleFleet()
    const { code, out, err } = await change(argv, { createFleet: () => fleet })
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(fleet.changes).toEqual(changes)
    expect(out).toContain(line)
  })

  test.each([
    [
      ['breaker', 'open', 'orders', '--process', 'edge-0'],
      2,
      'edge-0 may not be changed: its admin endpoint has no control "breakers"',
    ],
    [['breaker', 'open', 'orders', '--process', 'nothing'], 1, 'There is no process nothing'],
    [['drain', 'stock', 'stock-1'], 2, 'The process of stock-1 has no admin endpoint that answers'],
    [['drain', 'stock', 'stock-9'], 1, 'There is no instance stock-9 of stock'],
    [['alerts', 'silence', 'nothing', '--for', '1h'], 1, 'No process has a rule nothing'],
    [['alerts', 'silence', 'errors', '--for', '1h', '--label', 'x'], 2, 'a pair such as service=orders'],
    [['alerts', 'unsilence', 's9'], 1, 'No process has a silence s9'],
  ])('%j is refused before it is sent', async (argv, code, message) => {
    const fleet = createExampleFleet()
    expect(await change(argv, { createFleet: () => fleet })).toMatchObject({ code, err: expect.stringContaining(message) })
    expect(fleet.changes).toEqual([])
  })

  test('that one process refuses is made in the others, and is something wrong', async () => {
    const fleet = createExampleFleet()
    const argv = ['breaker', 'open', 'stock', '--process', 'orders']
    const { code, out } = await change(argv, { createFleet: () => fleet })
    expect(code).toBe(1)
    expect(out).toContain('orders-2 refused: SD_DENIED: The principal is read-only')
    expect(fleet.changes.map(({ processId }) => processId)).toEqual(['p-orders-0', 'p-orders-1'])
    const json = expectSchema((await change([...argv, '--json'], { createFleet: () => fleet })).out)
    expect(json['processes']).toContainEqual(expect.objectContaining({ process: 'orders-2', isChanged: false }))
  })
})

/** The model after some processes adopted a configuration. */
function adoption(names: readonly string[]): FleetModel {
  const processes = exampleModel.processes.map((process) =>
    names.includes(process.name) ? { ...process, configs: process.configs.map((one) => ({ ...one, version: 4 })) } : process,
  )
  return { ...exampleModel, processes }
}

describe('a change of the configuration', () => {
  test.each([
    [['orders-0', 'orders-1', 'orders-2'], 'Adopted by 3 of 3 processes that read it', ''],
    [['orders-0'], 'Adopted by 1 of 3 processes that read it', 'Their configuration is the same as before: orders-1, orders-2'],
  ])('says which processes adopted it: %j', async (names, line, others) => {
    const fleet = createExampleFleet()
    const { config, historyStore } = await createExampleConfig()
    const put = config.put.bind(config)
    config.put = async (...values) => {
      fleet.model = adoption(names)
      return put(...values)
    }
    const options = { config, historyStore, createFleet: () => fleet }
    const { code, out } = await change(['config', 'rollback', 'orders.yaml', '2', '--wait', '1ms'], options)
    expect(code).toBe(0)
    expect(out).toContain('orders.yaml of memory will be its version 2 (by ann, "pool for the sale"), byte for byte:')
    expect(out).toContain('~ db.pool.size  1000 → 10')
    expect(out).toContain('Version 4 of orders.yaml was written.')
    expect(out).toContain(line)
    expect(out).toContain(others)
    expect(out).not.toContain('tiger')
    await config.close()
  })

  test('of an entry that has changed since it was shown writes nothing', async () => {
    const { config, historyStore } = await createExampleConfig()
    const load = config.load.bind(config)
    let isShown = false
    config.load = async (...values) => {
      const document = await load(...values)
      // Right after it was read to be shown.
      if (!isShown) await config.put('orders.yaml', ordersText(99))
      isShown = true
      return document
    }
    await writeFile(join(home, 'next.yaml'), ordersText(7))
    const options = { config, historyStore, createFleet: () => createExampleFleet() }
    const { code, err } = await change(['config', 'set', 'orders.yaml', 'next.yaml', '--wait', '1ms'], options)
    expect({ code, err }).toEqual({ code: 1, err: 'sdctl: orders.yaml has changed since it was shown; nothing was written\n' })
    expect((await load()).entries.find(({ key }) => key === 'orders.yaml')?.content).toBe(ordersText(99))
    await config.close()
  })

  test('that changes nothing writes nothing, and a text that no process can read is refused', async () => {
    const { config, historyStore } = await createExampleConfig()
    const options = { config, historyStore, createFleet: () => createExampleFleet() }
    await writeFile(join(home, 'same.yaml'), ordersText(1_000))
    const same = await change(['config', 'set', 'orders.yaml', 'same.yaml'], options)
    expect(same).toMatchObject({ code: 0, out: expect.stringContaining('has this text already; nothing will be written') })
    const broken = { ...options, piped: 'a: [' }
    expect(await change(['config', 'set', 'orders.yaml', '-', '--wait', '1ms'], broken)).toMatchObject({
      code: 1,
      err: expect.stringContaining('--any-text writes it nevertheless'),
    })
    const any = await change(['config', 'set', 'orders.yaml', '-', '--wait', '1ms', '--any-text'], broken)
    expect(any).toMatchObject({ code: 0, out: expect.stringContaining('Version 4 of orders.yaml was written.') })
    await config.close()
  })

  test.each([
    [['config', 'get', 'nothing'], 1, 'memory has no entry nothing; there is flags.json'],
    [['config', 'history', 'nothing'], 1, 'memory has no entry nothing, and no history of it'],
    [['config', 'diff', 'orders.yaml', '1', '9'], 1, 'orders.yaml has no version 9'],
    [['config', 'diff', 'orders.yaml', '1', 'x'], 2, 'the number of a version'],
    [['config', 'verify', 'orders.yaml', '--anchor', 'x'], 2, 'a head such as 12:9f86'],
    [['canary', 'show', 'flags.json'], 1, 'memory has no canary release of flags.json'],
  ])('%j is an error', async (argv, code, message) => {
    const { config, historyStore } = await createExampleConfig()
    const env = { XDG_CONFIG_HOME: home }
    expect(await sdctl(argv, { env, config, historyStore })).toMatchObject({ code, err: expect.stringContaining(message) })
    await config.close()
  })

  test('a history that was tampered with is something wrong', async () => {
    const { config, historyStore } = await createExampleConfig()
    const tampered = (key: string) => {
      const store = historyStore(key)
      return {
        ...store,
        read: async (...values: Parameters<typeof store.read>) => {
          const log = await store.read(...values)
          return { ...log, text: log.text.replace('"ann"', '"eve"') }
        },
      }
    }
    const env = { XDG_CONFIG_HOME: home }
    const { code, out } = await sdctl(['config', 'verify', 'orders.yaml'], { env, config, historyStore: tampered })
    expect(code).toBe(1)
    expect(out).toContain('✗ The history of orders.yaml was changed at line 1')
    await config.close()
  })
})

test('keys and encrypted values are made for the shell', async () => {
  const { out: key } = await sdctl(['config', 'keygen', '2026-01'])
  expect(key).toMatch(/^2026-01:[\w-]{43}\n$/)
  const env = { SD_CONFIG_KEYS: key.trim() }
  const { out } = await sdctl(['config', 'encrypt', 'orders.yaml', 'db.password'], { env, piped: 'tiger\n' })
  expect(out).toMatch(/^ENC\[2026-01:[\w-]+\]\n$/)
  const { createEnvironmentKeyring, decryptValue } = await import('@sd/config-crypto')
  const keys = createEnvironmentKeyring({ env })
  expect(await decryptValue(out.trim(), { keys, key: 'orders.yaml', path: 'db.password' })).toBe('tiger')
  const without = await sdctl(['config', 'encrypt', 'orders.yaml'], { piped: 'tiger' })
  expect(without).toMatchObject({ code: 2, err: expect.stringContaining('a file with keys, or SD_CONFIG_KEYS') })
  const none = await sdctl(['config', 'ls'])
  expect(none).toMatchObject({ code: 2, err: expect.stringContaining('--config etcd://10.0.0.1:2379/orders, SD_CONFIG') })
})
