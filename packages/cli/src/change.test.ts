import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Registry } from '@sd/core'
import { createMemoryRegistry } from '@sd/registry-memory'
import { eventually } from '@sd/testing'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { commandTable } from './command-table.ts'
import { registerExamples } from './testing/example-services.ts'
import { sdctl, startSdctl, terminalInput } from './testing/run-sdctl.ts'
import { expectSchema } from './testing/schemas.ts'

const patienceMs = 20_000
let home = ''
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'sd-cli-'))
  await mkdir(join(home, 'sdctl'))
  const contexts = `contexts:
  - { name: dev, registry: 'memory:', write: true }
  - { name: prod, registry: 'memory:' }
current: dev
`
  await writeFile(join(home, 'sdctl', 'config.yaml'), contexts)
})
afterAll(() => rm(home, { recursive: true }))

/** What a command may use of a registry without changing it. */
const reading = /^(?:get|list|watch|ping|has|close|name|state|capabilities|then|Symbol)/

/** A registry that records which of its members are used. */
function record(registry: Registry): { readonly registry: Registry; readonly used: Set<string> } {
  const used = new Set<string>()
  const recording = new Proxy(registry, {
    get(target, key) {
      used.add(String(key).replace('Symbol(', 'Symbol '))
      const value: unknown = Reflect.get(target, key, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  return { registry: recording, used }
}

async function prepare() {
  const registry = createMemoryRegistry()
  onTestFinished(() => registry.close())
  const now = await registerExamples(registry)
  const { registry: memory, used } = record(registry)
  const writes = (): readonly string[] => [...used].filter((key) => !reading.test(key))
  return { options: { memory, now, env: { XDG_CONFIG_HOME: home }, cwd: await mkdtemp(join(home, 'cwd-')) }, registry, writes }
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
  }
  const given: Readonly<Record<string, readonly string[]>> = {
    init: ['--framework', 'http', '--registry', 'memory'],
    'generate client': ['--service', 'orders'],
    register: ['--address', '10.0.0.9', '--port', '80'],
  }

  test.each(commandTable.map(({ name, load }) => [name, load] as const))('%s writes only if it is marked', async (name, load) => {
    const command = await load()
    const words = [
      ...name.split(' '),
      ...(command.arguments ?? []).map((argument) => values[argument.name] ?? 'x'),
      ...(given[name] ?? []),
    ]
    const { options, registry, writes } = await prepare()
    await writeFile(join(options.cwd, 'openapi.json'), '{"openapi":"3.1.0","paths":{}}')
    const flags = command.options?.filter(({ flags }) => !flags.includes('<')).map(({ flags }) => flags) ?? []
    const permission = command.writes ? ['--yes', ...reason] : []
    if (command.writes) {
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
      // What an earlier run has removed.
      await registerExamples(registry)
      const interruption = new AbortController()
      const run = startSdctl([...words, ...argv, ...permission, ...(name === 'init' ? ['--dir', `d${results.length}`] : [])], {
        ...options,
        signal: interruption.signal,
      })
      // A change that lasts as long as the command.
      const isHeld = name === 'register'
      if (isHeld) {
        await eventually(() => expect(run.out()).toContain('10.0.0.9:80'), patienceMs)
        await eventually(() => expect(run.out()).toMatch(argv.includes('--json') ? /data/ : /Ctrl-C/), patienceMs)
        interruption.abort()
      }
      results.push(await run.ended)
    }
    expect(results.map(({ code, err }) => ({ code, err }))).toEqual(results.map(() => ({ code: 0, err: '' })))
    expectSchema(results[0]?.out ?? '')
    expect(writes().length > 0).toBe(command.writes === true)
  })
})
