import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createCanaryRelease } from '@sd/config'
import { createEnvironmentKeyring, encryptValue, generateKey } from '@sd/config-crypto'
import type { WritableConfigSource } from '@sd/core'
import { createMemoryRegistry } from '@sd/registry-memory'
import { eventually } from '@sd/testing'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { commandTable } from './command-table.ts'
import { createExampleConfig, ordersText } from './testing/example-config.ts'
import { createExampleFleet } from './testing/example-fleet.ts'
import { createExampleLock } from './testing/example-lock.ts'
import { registerExamples } from './testing/example-services.ts'
import { record } from './testing/record.ts'
import { type SdctlOptions, sdctl, startSdctl, terminalInput } from './testing/run-sdctl.ts'
import { expectSchema } from './testing/schemas.ts'

const patienceMs = 20_000
let home = ''
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'sd-cli-'))
  await mkdir(join(home, 'sdctl'))
  const contexts = `contexts:
  - { name: dev, registry: 'memory:', config: 'memory:', lock: 'example:', write: true }
  - { name: prod, registry: 'memory:', config: 'memory:', lock: 'example:' }
current: dev
`
  await writeFile(join(home, 'sdctl', 'config.yaml'), contexts)
})
afterAll(() => rm(home, { recursive: true }))

/** What a command may call without changing anything. */
const reading = /^(?:get|list|watch|ping|close|load|read|holder|refresh|explain|ask|history|Symbol)/

async function prepare() {
  const registry = createMemoryRegistry()
  onTestFinished(() => registry.close())
  const { config, historyStore } = await createExampleConfig()
  onTestFinished(() => config.close())
  const now = await registerExamples(registry)
  const { calls, backend: memory } = record(registry)
  const fleet = record(createExampleFleet(), calls).backend
  const lock = record(createExampleLock(), calls).backend
  const cwd = await mkdtemp(join(home, 'cwd-'))
  const writes = (): readonly string[] => [...calls].filter((key) => !reading.test(key))
  return {
    options: {
      memory,
      config: record(config, calls).backend,
      historyStore: (key: string) => record(historyStore(key), calls).backend,
      lockTypes: { example: { create: () => lock } },
      createFleet: () => fleet,
      now,
      env: { XDG_CONFIG_HOME: home, SD_AUTHOR: 'ann', SD_CONFIG_KEYS: generateKey('2026-01') },
      cwd,
    } satisfies SdctlOptions,
    registry,
    writes,
    forget: () => calls.clear(),
  }
}

const remove = ['deregister', 'stock', 'stock-1']
const reason = ['--reason', 'its host is broken']

describe('a change', () => {
  test.each([
    ['a context that may not write', ['--context', 'prod'], 'The context prod may not write: it needs "write: true" in'],
    ['a registry of the command line', ['--registry', 'memory:'], '--registry and SD_REGISTRY are only for reading'],
  ])('is denied for %s', async (_, argv, message) => {
    const { options, writes } = await prepare()
    const { code, out, err } = await sdctl([...remove, ...reason, '--yes', ...argv], options)
    expect({ code, out, writes: writes() }).toEqual({ code: 4, out: '', writes: [] })
    expect(err).toContain(message)
    const json = await sdctl([...remove, ...reason, '--yes', ...argv, '--json'], options)
    expect(json.code).toBe(4)
    expect(expectSchema(json.out)).toMatchObject({ code: 'SD_DENIED' })
  })

  test.each([
    ['without a reason', ['--yes'], 'Invalid --reason'],
    ['with an empty reason', ['--yes', '--reason', ' '], 'Invalid --reason'],
    ['where no one can be asked', reason, 'Invalid --yes'],
    ['with --watch', [...reason, '--yes', '--watch'], 'Invalid --watch'],
  ])('is wrong usage %s', async (_, argv, message) => {
    const { options, writes } = await prepare()
    const { code, err } = await sdctl([...remove, ...argv], options)
    expect({ code, writes: writes() }).toEqual({ code: 2, writes: [] })
    expect(err).toContain(message)
  })

  test('is shown, confirmed and made', async () => {
    const { options, registry } = await prepare()
    const input = terminalInput()
    const { ended, out } = startSdctl([...remove, ...reason, '--no-color'], { ...options, input, columns: 80 })
    await eventually(
      () => expect(out()).toMatch(/Removes this instance from memory:\n[\s\S]*stock-1[\s\S]*Go on\? \[y\/N\] $/),
      patienceMs,
    )
    expect((await registry.getInstances('stock')).instances).toHaveLength(2)
    input.write('y\n')
    expect(await ended).toMatchObject({ code: 0, err: '' })
    expect(out()).toContain('stock-1 of stock was removed.')
    expect((await registry.getInstances('stock')).instances).toHaveLength(1)
  })

  test.each(['n\n', '\n', 'yikes\n', ''])('is not made after %j', async (answer) => {
    const { options, writes } = await prepare()
    const input = terminalInput()
    const { ended, out } = startSdctl([...remove, ...reason], { ...options, input, columns: 80 })
    await eventually(() => expect(out()).toContain('[y/N]'), patienceMs)
    input.end(answer)
    expect((await ended).code).toBe(1)
    expect(out()).toContain('Nothing was changed.')
    expect(writes()).toEqual([])
  })

  test('is not made if the question is interrupted', async () => {
    const { options, writes } = await prepare()
    const interruption = new AbortController()
    const { ended, out } = startSdctl([...remove, ...reason], {
      ...options,
      input: terminalInput(),
      columns: 80,
      signal: interruption.signal,
    })
    await eventually(() => expect(out()).toContain('[y/N]'), patienceMs)
    interruption.abort()
    expect((await ended).code).toBe(130)
    expect(writes()).toEqual([])
  })

  test('of an instance that does not exist finds something wrong', async () => {
    const { options } = await prepare()
    const { code, err } = await sdctl(['deregister', 'stock', 'stock-9', ...reason, '--yes'], options)
    expect(code).toBe(1)
    expect(err).toContain('memory has no instance stock-9 of stock')
  })

  test('is one document with --json', async () => {
    const { options } = await prepare()
    const { code, out } = await sdctl([...remove, ...reason, '--yes', '--json'], options)
    expect(code).toBe(0)
    expect(expectSchema(out)).toEqual({ registry: 'memory', service: 'stock', id: 'stock-1', reason: 'its host is broken' })
  })
})

test('register keeps an instance until it is interrupted', async () => {
  const { options, registry } = await prepare()
  const interruption = new AbortController()
  const words =
    '--address 10.1.0.1 --port 80 --weight 2 --tag blue --tag eu --metadata team=a=b --check /health --instance-version 2.0.0 --id mail-0'
  const argv = ['register', 'mail', ...words.split(' '), ...reason, '--yes']
  // The registration ends with the registry, so this run has one of its own, which is closed.
  const own = createMemoryRegistry()
  const { ended, out } = startSdctl([...argv, '--json'], { ...options, memory: own, signal: interruption.signal })
  await eventually(() => expect(out()).toContain('mail-0'), patienceMs)
  expect(expectSchema(out())).toMatchObject({
    instance: {
      weight: 2,
      tags: ['blue', 'eu'],
      metadata: { team: 'a=b' },
      version: '2.0.0',
      healthCheck: { type: 'http', path: '/health' },
    },
  })
  expect((await own.getInstances('mail')).instances).toHaveLength(1)
  interruption.abort()
  expect((await ended).code).toBe(0)
  await own.close()
  for (const [option, value, message] of [
    ['--port', '80x', 'Invalid --port'],
    ['--port', '0', 'port'],
    ['--metadata', 'team', 'Invalid --metadata'],
  ] as const) {
    const wrong = await sdctl([...argv, option, value], { ...options, memory: registry })
    expect(wrong).toMatchObject({ code: 2, err: expect.stringContaining(message) })
  }
})

describe('of all commands', () => {
  const values: Readonly<Record<string, string>> = {
    service: 'orders',
    id: 'orders-0',
    from: 'memory:',
    to: 'memory:',
    file: 'openapi.json',
    shell: 'bash',
    name: 'dev',
    process: 'shop-0',
    key: 'orders.yaml',
    before: '1',
    after: '2',
    version: '1',
    path: 'db.pool.size',
    rule: 'errors',
    prefix: 'orders/',
  }
  const given: Readonly<Record<string, readonly string[]>> = {
    init: ['--framework', 'http', '--registry', 'memory'],
    'generate client': ['--service', 'orders'],
    register: ['--address', '10.0.0.9', '--port', '80'],
    'config explain': ['--from', 'orders'],
    'config encrypt': ['--in', 'openapi.json'],
    'canary publish': ['--share', '5'],
    'canary retarget': ['--share', '50'],
    'alerts silence': ['--for', '1h'],
    dashboard: ['--port', '0'],
    ...Object.fromEntries(['open', 'close', 'isolate'].map((word) => [`breaker ${word}`, ['--process', 'shop-0']])),
  }
  /** Arguments of commands that take others. */
  const argumentsOf: Readonly<Record<string, readonly string[]>> = {
    'alerts unsilence': ['s1'],
    'config set': ['orders.yaml', 'orders.yaml'],
    'canary publish': ['flags.json', 'flags.json'],
    'config rotate': ['mail.yaml'],
    'config keygen': ['2026-02'],
    'locks holder': ['nightly-report'],
    'locks watch': ['nightly-report'],
    call: ['echo', 'GET', '/'],
  }
  /** What these commands find wrong in the examples is their exit code. */
  const finding: Readonly<Record<string, number>> = { problems: 1, routes: 1, 'alerts ls': 1, doctor: 1 }
  /** Options that belong to another use of the command. */
  const otherFlags: readonly string[] = ['--write', '--mermaid']

  test.each(commandTable.map(({ name, load }) => [name, load] as const))('%s writes only if it is marked', async (name, load) => {
    const command = await load()
    const words = [
      ...name.split(' '),
      ...(argumentsOf[name] ?? (command.arguments ?? []).map((argument) => values[argument.name] ?? 'x')),
      ...(given[name] ?? []),
      ...['--over', '--wait'].flatMap((flag) =>
        command.options?.some(({ flags }) => flags.startsWith(flag)) ? [flag, '1ms'] : [],
      ),
    ]
    const { options, registry, writes, forget } = await prepare()
    const url = await startEcho()
    await writeFile(join(options.cwd, 'openapi.json'), '{"openapi":"3.1.0","paths":{}}')
    await writeFile(join(options.cwd, 'orders.yaml'), ordersText(7))
    await writeFile(join(options.cwd, 'flags.json'), '{"checkout":{"new":false}}')
    const keys = createEnvironmentKeyring({ env: { SD_CONFIG_KEYS: options.env.SD_CONFIG_KEYS } })
    const secret = await encryptValue('tiger', { keys, key: 'mail.yaml', path: 'password' })
    const flags =
      command.options?.map((option) => option.flags).filter((one) => !one.includes('<') && !otherFlags.includes(one)) ?? []
    const changes = command.writes === true && !('reading' in command)
    const permission = changes ? ['--yes', ...reason] : []
    if (changes) {
      forget()
      for (const [argv, code] of [
        [['--context', 'prod', ...permission], 4],
        [['--yes'], 2],
        [reason, 2],
      ] as const) {
        expect((await sdctl([...words, ...argv], options)).code, argv.join(' ')).toBe(code)
      }
      expect(writes()).toEqual([])
    }
    const results = []
    for (const argv of [['--json'], [], flags]) {
      // What an earlier run has removed or changed.
      await registerExamples(registry)
      await registry.register({ service: 'echo', id: 'echo-0', address: '127.0.0.1', port: url })
      await restoreEntries(options.config, secret)
      forget()
      const interruption = new AbortController()
      const rotated =
        name === 'config rotate' ? { SD_CONFIG_KEYS: `${generateKey('2026-02')},${options.env.SD_CONFIG_KEYS}` } : {}
      const run = startSdctl([...words, ...argv, ...permission, ...(name === 'init' ? ['--dir', `d${results.length}`] : [])], {
        ...options,
        env: { ...options.env, ...rotated },
        signal: interruption.signal,
      })
      // Those that last until they are interrupted.
      const isHeld = name === 'register' || name === 'dashboard' || 'follow' in command
      if (isHeld) {
        await eventually(() => expect(run.out()).toMatch(argv.includes('--json') ? /"data"/ : /\n/), patienceMs)
        if (name === 'register') await eventually(() => expect(run.out()).toMatch(/"data"|Ctrl-C/), patienceMs)
        interruption.abort()
      }
      results.push(await run.ended)
      expect(writes().length > 0, `${name}: ${writes().join(', ')}`).toBe(changes)
    }
    const code = finding[name] ?? 0
    expect(results.map((result) => ({ code: result.code, err: result.err }))).toEqual(results.map(() => ({ code, err: '' })))
    expectSchema(results[0]?.out.split('\n')[0] ?? '')
  })
})

/** The entries as they were, and one that is encrypted. */
async function restoreEntries(config: WritableConfigSource, secret: string): Promise<void> {
  await config.put('mail.yaml', `password: ${secret}\n`)
  await config.put('orders.yaml', ordersText(1_000))
  for (const key of ['orders.yaml', 'flags.json']) await createCanaryRelease({ source: config, key }).abort()
  await createCanaryRelease({ source: config, key: 'orders.yaml' }).publish(ordersText(20), { rule: { share: 10 } })
}

/** A service that answers every call. @returns its port */
async function startEcho(): Promise<number> {
  const server = createServer((_, response) => response.end('hello'))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return (server.address() as AddressInfo).port
}
