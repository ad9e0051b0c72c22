import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { readOptions } from './options.ts'

const run = promisify(execFile)
const main = fileURLToPath(new URL('./main.ts', import.meta.url))

test('a run ends by itself with a summary, and no call fails', { timeout: 30_000 }, async () => {
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
  ]) {
    expect(stdout).toMatch(line)
  }
  const [, requests] = /requests +(\d+)/.exec(stdout) ?? []
  expect(Number(requests)).toBeGreaterThan(700)
})

describe('options', () => {
  test('have defaults and a help text', () => {
    expect(readOptions([])).toEqual({ services: 1, instances: 3, balancer: 'round-robin', rate: 200, duration: 12, port: 0 })
    const help = readOptions(['--help'])
    for (const option of ['services', 'instances', 'balancer', 'rate', 'duration', 'port']) expect(help).toContain(`--${option}`)
  })

  test('that are wrong are refused with their name', () => {
    expect(() => readOptions(['--rate', 'fast'])).toThrow('Invalid --rate: got "fast", want an integer from 1 to 2000')
    expect(() => readOptions(['--balancer', 'best'])).toThrow('Invalid --balancer')
    expect(() => readOptions(['--speed', '1'])).toThrow('Invalid command line')
  })

  test('end the program with code 2 when wrong', async () => {
    await expect(run(process.execPath, [main, '--rate', '0'])).rejects.toMatchObject({
      code: 2,
      stderr: expect.stringContaining('Invalid --rate'),
    })
  })
})
