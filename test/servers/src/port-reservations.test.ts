import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { freePort } from './network.ts'

test('a port that is free and not bound yet is not given to another process', async () => {
  const module = new URL('port-reservations.ts', import.meta.url).href
  const script = `import { reservePort } from '${module}'; console.log(reservePort(${await freePort()}))`
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script])
  expect(stdout.trim()).toBe('false')
})

test('a process gets no port twice', async () => {
  const ports = await Promise.all(Array.from({ length: 200 }, freePort))
  expect(new Set(ports).size).toBe(200)
})
