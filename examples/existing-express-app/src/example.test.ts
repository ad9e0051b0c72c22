import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

const run = promisify(execFile)

test('the adopted app responds by name, leaves without loss, and the program exits', async () => {
  const { stdout } = await run(process.execPath, [fileURLToPath(new URL('./main.ts', import.meta.url))], { timeout: 20_000 })
  for (const name of ['Ada', 'Grace', 'Edsger', 'Barbara', 'Donald', 'Margaret', 'Leslie'])
    expect(stdout).toContain(`Hello, ${name}`)
  expect(stdout).toContain('left without loss: true')
  expect(new Set(stdout.match(/http:\/\/[\d.]+:\d+/g)).size).toBe(2)
}, 20_000)

test('adopting took at most ten lines', async () => {
  const server = await readFile(new URL('./server.ts', import.meta.url), 'utf8')
  expect(server.match(/\/\/ \+\d+$/gm)?.length).toBeLessThanOrEqual(10)
  expect(await readFile(new URL('./app.ts', import.meta.url), 'utf8')).not.toContain("from '@sd")
})
