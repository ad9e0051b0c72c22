import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { readOptions } from './options.ts'

const run = promisify(execFile)
const main = fileURLToPath(new URL('./main.ts', import.meta.url))

test('a run exits with a summary, and no call fails', { timeout: 30_000 }, async () => {
  const { stdout } = await run(process.execPath, [
    main,
    '--duration',
    '6',
    '--rate',
    '150',
    '--services',
    '2',
    '--balancer',
    'least-active',
  ])
  for (const line of [
    /joined/,
    /leaves gracefully/,
    /is killed/,
    /failures +0/,
    /graceful leave .*: 0 failed calls/,
    /no more traffic after [0-3]\.\d s/,
    /The code\n {2}a service +examples\/quickstart\/src\/instance.ts/,
  ]) {
    expect(stdout).toMatch(line)
  }
  const [, requests] = /requests +(\d+)/.exec(stdout) ?? []
  expect(Number(requests)).toBeGreaterThan(700)
})

describe('options', () => {
  test('have defaults and a help text', () => {
    expect(readOptions([])).toEqual({
      services: 1,
      instances: 3,
      balancer: 'round-robin',
      rate: 200,
      duration: 12,
      port: 0,
      registry: undefined,
      dashboard: false,
    })
    expect(readOptions(['--dashboard'])).toMatchObject({ dashboard: true, port: 7070 })
    const help = readOptions(['--help'])
    for (const option of ['services', 'instances', 'balancer', 'rate', 'duration', 'port', 'registry', 'dashboard'])
      expect(help).toContain(`--${option}`)
  })

  test('that are invalid are rejected with their name', () => {
    expect(() => readOptions(['--rate', 'fast'])).toThrow('Invalid --rate: got "fast", want an integer from 1 to 2000')
    expect(() => readOptions(['--balancer', 'best'])).toThrow('Invalid --balancer')
    expect(() => readOptions(['--speed', '1'])).toThrow('Invalid command line')
  })

  test('name a registry, with short leases unless its URL says otherwise', () => {
    expect(readOptions(['--registry', 'memory:'])).toMatchObject({ registry: undefined, duration: 12 })
    expect(readOptions(['--registry', 'consul://:secret@127.0.0.1:8500?prefix=a-'])).toMatchObject({
      duration: 24,
      registry: {
        address: 'consul://127.0.0.1:8500',
        config: { type: 'consul', servers: ['127.0.0.1:8500'], token: 'secret', prefix: 'a-', ttlMs: 3_000 },
      },
    })
    expect(readOptions(['--registry', 'zookeeper://h:1?sessionTimeoutMs=9000'])).toMatchObject({
      registry: { config: { sessionTimeoutMs: 9_000 } },
    })
  })

  test('reject unsupported registries, and show no password', () => {
    expect(() => readOptions(['--registry', 'kubernetes://orders'])).toThrow('Kubernetes rejects loopback addresses')
    expect(() => readOptions(['--registry', 'static://./services.yaml'])).toThrow('Invalid --registry: got "static"')
    expect(() => readOptions(['--registry', 'etcd://h:1', '--instances', '50', '--services', '2'])).toThrow('at most 50 in all')
    for (const args of [
      ['etcd://me:secret@h'],
      ['--registry', 'etcd://me:secret@h', '-x'],
      ['--registry', 'etcd://me:secret?@h'],
    ]) {
      expect(() => readOptions(args)).toThrow(expect.objectContaining({ message: expect.not.stringContaining('secret') }))
    }
  })

  test('end the program with code 2 if invalid', async () => {
    await expect(run(process.execPath, [main, '--rate', '0'])).rejects.toMatchObject({
      code: 2,
      stderr: expect.stringContaining('Invalid --rate'),
    })
  })
})
