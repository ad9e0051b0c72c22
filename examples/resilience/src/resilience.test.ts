import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { readOptions } from './options.ts'

const run = promisify(execFile)
const main = fileURLToPath(new URL('./main.ts', import.meta.url))

describe.each(['opossum', 'cockatiel'])('with %s', (breaker) => {
  // Once more if it fails: effects on latencies can be hidden while the machine stands still.
  test('a run exits and keeps all its promises', { timeout: 150_000, retry: 1 }, async () => {
    const { stdout } = await run(process.execPath, [main, '--breaker', breaker, '--seconds', '15']).catch(
      (failed: { stdout: string; stderr: string }) => failed,
    )
    for (const line of [
      /breaker orders\/orders-2: closed → open \(failure-rate\); attempts since the last change: \d+ succeeded, \d+ failed/,
      /breaker orders\/orders-2: open → half-open \(open-time-over\)/,
      /breaker orders\/orders-2: half-open → closed \(recovered\)/,
      /\(orders-2\) dropped by failing; .*breaker: orders\/orders-2 is open/,
      /breaker orders: closed → open \(failure-rate\)/,
      /breaker orders: half-open → closed \(recovered\)/,
      /outlier-detection: stock-1 is out for \d+ ms \(consecutive-5xx\)/,
      /stock: panic begins, all instances are used \(40 % are healthy\)/,
      /stock: panic ends/,
    ]) {
      expect(stdout).toMatch(line)
    }
    expect(stdout.match(/NOT SEEN.*/g)).toBeNull()
    const [, kept, promised] = /(\d+) of (\d+) promises seen\n$/.exec(stdout) ?? []
    expect(kept).toBeDefined()
    expect(kept).toBe(promised)
  })
})

describe('options', () => {
  test('have defaults and a help text', () => {
    expect(readOptions([])).toEqual({ breaker: 'opossum', seconds: 40 })
    expect(readOptions(['--breaker', 'cockatiel', '--seconds', '60'])).toEqual({ breaker: 'cockatiel', seconds: 60 })
    for (const option of ['breaker', 'seconds', 'help']) expect(readOptions(['--help'])).toContain(`--${option}`)
  })

  test('that are invalid are rejected with their name', () => {
    expect(() => readOptions(['--seconds', '5'])).toThrow('Invalid --seconds: got "5", want a number from 15 to 600')
    expect(() => readOptions(['--breaker', 'fuse'])).toThrow('Invalid --breaker')
    expect(() => readOptions(['--speed', '1'])).toThrow('Invalid command line')
  })

  test('end the program with code 2 if invalid', async () => {
    await expect(run(process.execPath, [main, '--seconds', 'ten'])).rejects.toMatchObject({
      code: 2,
      stderr: expect.stringContaining('Invalid --seconds'),
    })
  })
})
