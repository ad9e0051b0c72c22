import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

const run = promisify(execFile)
const main = fileURLToPath(new URL('./main.ts', import.meta.url))

test('a run passes all of its checks and exits with code 0', { timeout: 150_000 }, async () => {
  const { stdout } = await run(process.execPath, [main]).catch((failed: { stdout: string; stderr: string }) => {
    throw new Error(`${failed.stdout}\n${failed.stderr}`)
  })
  expect(stdout).toMatch(/\n16 passed, 0 failed\n$/)
})

test('the help names the options', async () => {
  expect((await run(process.execPath, [main, '--help'])).stdout).toContain('--verbose')
})
