import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createTlsSource } from './tls-options.ts'

const pem = (text: string): string => `-----BEGIN ${text}-----`

beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }))
afterEach(() => void vi.useRealTimers())

test('functions are called and files are read again, at most once per maxAgeMs', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sd-tls-'))
  const file = join(folder, 'key.pem')
  await writeFile(file, pem('key 1'))
  const cert = vi.fn(async () => pem('cert'))
  const source = createTlsSource({ ca: pem('ca'), cert, key: { file }, serverName: 'x' }, 1_000)
  const first = await source.current()
  expect(first).toEqual({ ca: pem('ca'), cert: pem('cert'), key: pem('key 1') })
  await writeFile(file, pem('key 2'))
  vi.advanceTimersByTime(999)
  expect(await source.current()).toBe(first)
  vi.advanceTimersByTime(1)
  const second = await source.current()
  expect(second).toEqual({ ...first, key: pem('key 2') })
  vi.advanceTimersByTime(1_000)
  expect(await source.current()).toBe(second)
  expect(cert).toHaveBeenCalledTimes(3)
  await writeFile(file, pem('key 3'))
  source.forget()
  expect((await source.current()).key).toBe(pem('key 3'))
  await rm(folder, { recursive: true })
})

test('unreadable certificates are reported without their content, and read again', async () => {
  let given: () => string = () => 'hunter2'
  const source = createTlsSource({ ca: () => given() })
  await expect(source.current()).rejects.toMatchObject({
    code: 'SD_INVALID',
    field: 'tls.ca',
    origin: 'local',
    retryable: true,
    message: expect.not.stringContaining('hunter2'),
  })
  given = () => {
    throw new Error('vault is sealed')
  }
  await expect(source.current()).rejects.toMatchObject({
    code: 'SD_UNAVAILABLE',
    message: 'tls.ca: the function failed: vault is sealed',
  })
  given = () => pem('ca')
  expect(await source.current()).toEqual({ ca: pem('ca') })
  const missing = createTlsSource({ ca: { file: '/does/not/exist.pem' } })
  await expect(missing.current()).rejects.toThrow("tls.ca: the file can't be read (ENOENT)")
})
