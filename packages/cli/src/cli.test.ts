import { PassThrough, Writable } from 'node:stream'
import { SdError } from '@sd/core'
import { createMemoryRegistry } from '@sd/registry-memory'
import { freePort } from '@sd/test-servers'
import { eventually } from '@sd/testing'
import { describe, expect, onTestFinished, test } from 'vitest'
import { runCli } from './cli.ts'
import { commandTable } from './command-table.ts'
import { exampleSpecs, registerExamples } from './testing/example-services.ts'
import { sdctl, startSdctl } from './testing/run-sdctl.ts'
import { expectSchema } from './testing/schemas.ts'

const patienceMs = 20_000
const env = { SD_REGISTRY: 'memory:' }

async function examples() {
  const registry = createMemoryRegistry()
  onTestFinished(() => registry.close())
  return { memory: registry, now: await registerExamples(registry), env }
}

describe('a command line', () => {
  test('without a command shows the help, which is wrong usage', async () => {
    const { code, out, err } = await sdctl([])
    expect({ code, out }).toEqual({ code: 2, out: '' })
    for (const { name } of commandTable) expect(err).toMatch(new RegExp(`^  ${name.split(' ')[0]} `, 'm'))
  })

  test('shows the help of a command with its own options and the global ones', async () => {
    const { code, out } = await sdctl(['deregister', '--help'])
    expect(code).toBe(0)
    for (const part of ['<service> <id>', '--reason <text>', '--yes', '--registry <url>']) expect(out).toContain(part)
    expect(await sdctl(['help', 'deregister'])).toEqual({ code: 0, out, err: '' })
  })

  test.each([
    [['servces'], "unknown command 'servces'"],
    [['services', '--colour'], "unknown option '--colour'"],
    [['instances'], "missing required argument 'service'"],
    [['services'], 'want --registry consul://10.0.0.1:8500, SD_REGISTRY, or a context'],
    [['services', '--registry', 'consul'], 'want consul://host:port'],
    [['services', '--registry', 'memory:', '--timeout', '10'], 'a time with its unit'],
    [['version', '--watch'], "version can't"],
    [['services', '--registry', 'memory:', '--context', 'prod'], 'one of them'],
  ])('%j is wrong usage', async (argv, message) => {
    const { code, out, err } = await sdctl(argv)
    expect({ code, out }).toEqual({ code: 2, out: '' })
    expect(err).toContain(message)
    expect(err).toMatch(/^sdctl: /)
    const json = await sdctl([...argv, '--json'])
    expect(json).toMatchObject({ code: 2, err: '' })
    expect(expectSchema(json.out)).toMatchObject({ code: 'SD_INVALID', message: expect.stringContaining(message) })
  })

  test('takes global options before and after the command', async () => {
    const options = await examples()
    const before = await sdctl(['--json', 'services'], options)
    expect(before).toEqual(await sdctl(['services', 'ls', '--json'], options))
    expect(expectSchema(before.out)).toMatchObject({ services: [{ name: 'orders', instances: 3 }, { name: 'stock' }] })
  })

  test('prints the version', async () => {
    const { out } = await sdctl(['version', '--json'])
    const { version } = expectSchema(out)
    expect(await sdctl(['version'])).toEqual({ code: 0, out: `sdctl ${version}\n`, err: '' })
    expect(await sdctl(['--version'])).toEqual({ code: 0, out: `${version}\n`, err: '' })
  })

  test('names a similar service if there is none of this name', async () => {
    const { code, err } = await sdctl(['instances', 'order'], await examples())
    expect(code).toBe(1)
    expect(err).toBe('sdctl: memory has no instance of order; there is orders\n')
    expect((await sdctl(['instance', 'orders', 'x'], await examples())).err).toContain('sdctl instances orders lists them')
  })

  test('ends at its time limit, as for a registry that cannot be reached', async () => {
    const url = `consul://127.0.0.1:${await freePort()}`
    const { code, err } = await sdctl(['services', '--registry', url, '--timeout', '50ms'])
    expect(code).toBe(3)
    expect(err).toMatch(/^sdctl: /)
  })

  test.each([
    ['SD_UNAVAILABLE', 3],
    ['SD_DENIED', 4],
    ['SD_UNSUPPORTED', 2],
    ['SD_MALFORMED', 1],
  ] as const)('ends with a code for %s', async (code, exitCode) => {
    const registryTypes = { broken: { create: () => Promise.reject(new SdError(code, 'no \u001b[2Jway')) } }
    const streams = { stdin: new PassThrough(), stdout: new PassThrough(), stderr: new PassThrough() }
    const argv = ['services', '--registry', 'broken://host']
    expect(await runCli({ argv, env: {}, cwd: '/', registryTypes, ...streams })).toBe(exitCode)
    expect(String(streams.stderr.read())).toBe('sdctl: no way\n')
  })

  test('ends quietly when the reader has closed the pipe', async () => {
    const { memory, now } = await examples()
    const stdout = new Writable({
      write: (_chunk, _encoding, done) => done(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' })),
    })
    const stderr = new PassThrough()
    const registryTypes = { memory: { create: () => memory } }
    const argv = ['instances', 'orders', '--watch']
    const late = new Promise((resolve) => stdout.once('close', resolve))
    expect(await runCli({ argv, env, cwd: '/', stdin: new PassThrough(), stdout, stderr, registryTypes, now })).toBe(0)
    await late
    expect(stderr.read()).toBeNull()
  })

  test('an interruption ends a command with 130', async () => {
    const { code, err } = await sdctl(['services'], { ...(await examples()), signal: AbortSignal.abort() })
    expect({ code, err }).toEqual({ code: 130, err: '' })
  })
})

describe('--watch', () => {
  const watch = async (argv: readonly string[], options: { readonly columns?: number; readonly rows?: number } = {}) => {
    const interruption = new AbortController()
    const given = await examples()
    const running = startSdctl([...argv, '--watch'], { ...given, ...options, signal: interruption.signal })
    onTestFinished(() => interruption.abort())
    return { ...running, registry: given.memory, interrupt: () => interruption.abort() }
  }

  test('redraws its lines in a terminal, and ends with an interruption', async () => {
    const { ended, out, registry, interrupt } = await watch(['instances', 'orders'], { columns: 80 })
    await eventually(() => expect(out()).toContain('orders-2'), patienceMs)
    expect(out()).not.toContain('\u001b[J')
    await registry.deregister('orders', 'orders-2')
    await eventually(() => expect(out()).toContain('2 healthy'), patienceMs)
    // A heading, three instances and the line below them are replaced.
    expect(out()).toContain('\u001b[5A\u001b[J')
    interrupt()
    expect(await ended).toMatchObject({ code: 0, err: '' })
  })

  test('prints no more lines than the terminal has', async () => {
    const { ended, out, interrupt } = await watch(['instances', 'orders'], { columns: 80, rows: 4 })
    await eventually(() => expect(out()).toContain('… 3 more lines'), patienceMs)
    interrupt()
    await ended
    expect(out().trimEnd().split('\n')).toHaveLength(3)
  })

  test('prints again in a pipe', async () => {
    const { ended, out, registry, interrupt } = await watch(['services'])
    await eventually(() => expect(out()).toContain('2 services'), patienceMs)
    for (const { service, id = '' } of exampleSpecs) if (service === 'stock') await registry.deregister(service, id)
    await eventually(() => expect(out()).toContain('1 service, 3 instances'), patienceMs)
    interrupt()
    await ended
    expect(out()).not.toContain('\u001b')
    expect(out()).toContain('\n\nSERVICE')
  })

  test('prints a document in each line with --json', async () => {
    const { ended, out, registry, interrupt } = await watch(['instances', 'stock', '--json'], { columns: 80 })
    await eventually(() => expect(out()).toContain('stock-0'), patienceMs)
    await registry.deregister('stock', 'stock-1')
    await eventually(() => expect(out().split('\n').length).toBeGreaterThan(2), patienceMs)
    interrupt()
    await ended
    const lengths = out()
      .trimEnd()
      .split('\n')
      .map((line) => (expectSchema(line)['instances'] as unknown[]).length)
    expect(lengths.at(-1)).toBe(1)
  })

  test('looks again at an interval where a command has nothing to wait for', async () => {
    const { ended, out, interrupt } = await watch(['doctor', '--json', '--interval', '1ms'])
    await eventually(() => expect(out().split('\n').length).toBeGreaterThan(3), patienceMs)
    interrupt()
    expect((await ended).code).toBe(0)
    for (const line of out().trimEnd().split('\n')) expectSchema(line)
  })
})
