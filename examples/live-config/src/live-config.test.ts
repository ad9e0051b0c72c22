import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { readOptions } from './options.ts'

const run = promisify(execFile)
const main = fileURLToPath(new URL('./main.ts', import.meta.url))

test('a run exits and keeps all its promises', { timeout: 150_000 }, async () => {
  const { stdout, stderr } = await run(process.execPath, [main, '--seconds', '10']).catch(
    (failed: { stdout: string; stderr: string }) => failed,
  )
  for (const line of [
    /client\.retry\.backoffMs = 20, from defaults\n/,
    /client\.breaker\.minimumCalls = 20, from file shop\.yaml line 2, over defaults\n/,
    /client\.timeoutMs = 1500, from environment client\/timeout_ms, over defaults\n/,
    /config version 3: client\.balancer\n/,
    /config: refused: center shop\.json:\d+: client\.services\.orders\.retry\.maxAttempts/,
    /config: center has recovered/,
    /config: stale: center can't reach its store/,
    / 12 {2}external {2}bob {2}promoted: client\.timeoutMs = 700\n/,
  ]) {
    expect(stdout).toMatch(line)
  }
  expect(stdout).not.toContain('tiger')
  expect(stdout).not.toContain('NOT SEEN')
  const [, kept, promised] = /(\d+) of (\d+) promises seen\n$/.exec(stdout) ?? []
  expect(kept, stderr).toBeDefined()
  expect(kept).toBe(promised)
})

test('an invalid variable ends the program with code 2, and is named', async () => {
  await expect(run(process.execPath, [main], { env: { SHOP_CLIENT__TIMEOUT_MS: 'soon' } })).rejects.toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/^environment client\/timeout_ms: client\.timeoutMs .+\n$/),
  })
})

describe('options', () => {
  test('have defaults and a help text', () => {
    expect(readOptions([])).toEqual({ seconds: 30 })
    expect(readOptions(['--seconds', '60'])).toEqual({ seconds: 60 })
    for (const option of ['seconds', 'help']) expect(readOptions(['--help'])).toContain(`--${option}`)
  })

  test('that are invalid are rejected with their name', () => {
    expect(() => readOptions(['--seconds', '5'])).toThrow('Invalid --seconds: got "5", want a number from 10 to 600')
    expect(() => readOptions(['--speed', '1'])).toThrow('Invalid command line')
  })

  test('end the program with code 2 if invalid', async () => {
    await expect(run(process.execPath, [main, '--seconds', 'ten'])).rejects.toMatchObject({
      code: 2,
      stderr: expect.stringContaining('Invalid --seconds'),
    })
  })
})
