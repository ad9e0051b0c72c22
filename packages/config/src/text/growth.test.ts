import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

const program = fileURLToPath(new URL('../testing/measure-growth.ts', import.meta.url))

interface Growth {
  readonly name: string
  readonly smallMs: number
  readonly largeMs: number
}

// Measures CPU time, which other processes don't affect, for eight times the text: linear growth takes eight times as long,
// quadratic growth 64 times. Times below the noise of clock and garbage collector are not compared.
test('eight times the text takes about eight times as long, in every format', { timeout: 120_000 }, async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [program])
  const growth = JSON.parse(stdout) as readonly Growth[]
  expect(growth).toHaveLength(18)
  expect(growth.filter(({ smallMs, largeMs }) => largeMs >= 24 * Math.max(smallMs, 4))).toEqual([])
})
