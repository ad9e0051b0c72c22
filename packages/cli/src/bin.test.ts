import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { eventually } from '@sd/testing'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'

const program = fileURLToPath(new URL('./bin.ts', import.meta.url))
const patienceMs = 20_000
let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sd-cli-'))
  const instances = Array.from({ length: 3_000 }, (_, index) => `    - { address: 10.0.${index >> 8}.${index & 255}, port: 80 }`)
  await writeFile(join(folder, 'services.yaml'), `services:\n  orders:\n${instances.join('\n')}\n`)
})
afterAll(() => rm(folder, { recursive: true }))

function start(...argv: readonly string[]) {
  const child = spawn(process.execPath, [program, ...argv, '--registry', `static:${folder}/services.yaml`], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  const errors: string[] = []
  child.stderr.on('data', (chunk) => errors.push(String(chunk)))
  return { child, errors, ended: once(child, 'close') }
}

test('SIGINT ends a watch', async () => {
  const { child, ended } = start('services', '--watch')
  let out = ''
  child.stdout.on('data', (chunk) => {
    out += chunk
  })
  await eventually(() => expect(out).toContain('3000 instances'), patienceMs)
  child.kill('SIGINT')
  expect(await ended).toEqual([0, null])
})

test('a reader that needs no more, such as head, ends it quietly', async () => {
  const { child, ended, errors } = start('instances', 'orders')
  child.stdout.once('data', () => child.stdout.destroy())
  expect(await ended).toEqual([0, null])
  expect(errors).toEqual([])
})
