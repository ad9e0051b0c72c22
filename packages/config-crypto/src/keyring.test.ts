import { chmod, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { SdError } from '@sd/core'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import {
  createEnvironmentKeyring,
  createFileKeyring,
  createKeyring,
  decryptValue,
  encryptValue,
  type FileKeyringOptions,
  generateKey,
  type Keyring,
} from './index.ts'

const path = 'db.password'

async function roundTrip(writer: Keyring, reader: Keyring = writer): Promise<string> {
  return decryptValue(await encryptValue('s3cret', { keys: writer, path }), { keys: reader, path })
}

test('generated keys are unique and valid in all keyrings', async () => {
  const line = generateKey('2026-11')
  expect(line).toMatch(/^2026-11:[\w-]{43}$/)
  expect(generateKey('2026-11')).not.toBe(line)
  const memory = createKeyring({ keys: { '2026-11': line.slice('2026-11:'.length) }, primary: '2026-11' })
  const environment = createEnvironmentKeyring({ env: { SD_CONFIG_KEYS: line } })
  expect(await roundTrip(memory, environment)).toBe('s3cret')
  expect(() => generateKey('not a name')).toThrow(expect.objectContaining({ code: 'SD_INVALID', field: 'keyId' }))
})

describe('memory', () => {
  const key = new Uint8Array(32)

  test.each<[string, unknown]>([
    ['primary', { keys: { a: key }, primary: 'b' }],
    ['primary', { keys: { a: key }, primary: 'b c' }],
    ['keys.a', { keys: { a: key.subarray(1) }, primary: 'a' }],
    ['keys.a', { keys: { a: 'c2VjcmV0LWtleS1vZi1taW5l' }, primary: 'a' }],
    ['keys.a', { keys: { a: `${'A'.repeat(42)}B` }, primary: 'a' }],
    ['keys', { keys: { 'a:b': key }, primary: 'a' }],
    ['keys', { primary: 'a' }],
    ['secret', { keys: { a: key }, primary: 'a', secret: 1 }],
  ])('bad %s', (field, options) => {
    const error = captured(() => createKeyring(options as never))
    expect(error).toMatchObject({ code: 'SD_INVALID', field })
    expect(error.message).not.toContain('c2VjcmV0')
  })

  test('the primary encrypts, regardless of the order', async () => {
    const keys = createKeyring({ keys: { a: key, b: new Uint8Array(32).fill(1) }, primary: 'b' })
    expect(await keys.getPrimary()).toBe('b')
    expect(await encryptValue('', { keys, path })).toMatch(/^ENC\[b:/)
  })

  test('a closed keyring rejects all calls', async () => {
    const keys = createKeyring({ keys: { a: key }, primary: 'a' })
    keys.close()
    keys.close()
    await expect(keys.getPrimary()).rejects.toMatchObject({ code: 'SD_CLOSED' })
    await expect(roundTrip(keys)).rejects.toMatchObject({ code: 'SD_CLOSED' })
  })
})

describe('environment', () => {
  test('several keys, the first one the primary', async () => {
    const [first, second] = [generateKey('k1'), generateKey('k2')]
    const keys = createEnvironmentKeyring({ variable: 'KEYS', env: { KEYS: ` ${first} , ${second},` } })
    expect(await keys.getPrimary()).toBe('k1')
    expect(await roundTrip(createEnvironmentKeyring({ env: { SD_CONFIG_KEYS: second } }), keys)).toBe('s3cret')
  })

  test.each<[string, string | undefined, string]>([
    ['not set', undefined, 'SD_NOT_FOUND'],
    ['empty', '', 'SD_MALFORMED'],
    ['a key without a name', 'AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8', 'SD_MALFORMED'],
    ['a short key', 'k1:AAECAwQFBgcICQoLDA0O', 'SD_MALFORMED'],
    ['twice the same', `${generateKey('k1')},${generateKey('k1')}`, 'SD_MALFORMED'],
  ])('%s', (_, text, code) => {
    const error = captured(() => createEnvironmentKeyring({ env: { SD_CONFIG_KEYS: text } }))
    expect(error.code).toBe(code)
    if (text) for (const part of text.split(/[:,]/).filter(({ length }) => length > 2)) expect(error.message).not.toContain(part)
  })
})

describe('file', () => {
  const oldKey = generateKey('old')
  const newKey = generateKey('new')
  let folder: string
  let file: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'keyring-'))
    file = join(folder, 'keys')
    await write(`# the first one encrypts\n${oldKey}\n`)
  })
  afterEach(() => rm(folder, { recursive: true }))

  async function write(text: string, mode: number = 0o600): Promise<void> {
    await writeFile(`${file}.new`, text, { mode })
    await chmod(`${file}.new`, mode)
    await rename(`${file}.new`, file)
  }

  function create(options: Partial<FileKeyringOptions> = {}): Keyring {
    return createFileKeyring({ path: file, recheckMs: 0, ...options })
  }

  test('rotation without a restart, in three steps', async () => {
    const keys = create()
    const before = await encryptValue('s3cret', { keys, path })
    await write(`${oldKey}\n${newKey}\n`)
    expect(await roundTrip(createEnvironmentKeyring({ env: { SD_CONFIG_KEYS: newKey } }), keys)).toBe('s3cret')
    expect(await keys.getPrimary()).toBe('old')
    await write(`${newKey}\n${oldKey}\n`)
    expect(await keys.getPrimary()).toBe('new')
    expect(await decryptValue(before, { keys, path })).toBe('s3cret')
    await write(newKey)
    await expect(decryptValue(before, { keys, path })).rejects.toMatchObject({ code: 'SD_DENIED' })
  })

  test('an unknown key is looked up at once, a known one at the recheck time', async () => {
    const keys = create({ recheckMs: 60_000 })
    expect(await keys.getPrimary()).toBe('old')
    await write(`${newKey}\n${oldKey}\n`)
    expect(await keys.getPrimary()).toBe('old')
    expect(await roundTrip(createEnvironmentKeyring({ env: { SD_CONFIG_KEYS: newKey } }), keys)).toBe('s3cret')
    expect(await keys.getPrimary()).toBe('new')
  })

  test('a file that becomes invalid keeps the keys in use, and is reported', async () => {
    const onError = vi.fn<(error: SdError) => void>()
    const keys = create({ onError })
    expect(await roundTrip(keys)).toBe('s3cret')
    await write('rubbish')
    expect(await roundTrip(keys)).toBe('s3cret')
    expect(onError.mock.lastCall?.[0]).toMatchObject({ code: 'SD_MALFORMED' })
    await rm(file)
    expect(await roundTrip(keys)).toBe('s3cret')
    expect(onError.mock.lastCall?.[0]).toMatchObject({ code: 'SD_UNAVAILABLE' })
    await write(newKey)
    expect(await keys.getPrimary()).toBe('new')
  })

  test.each([
    [0o640, 'SD_DENIED'],
    [0o604, 'SD_DENIED'],
    [0o620, 'SD_DENIED'],
  ])('others have rights to it: %o', async (mode, code) => {
    await write(oldKey, mode)
    await expect(roundTrip(create())).rejects.toMatchObject({ code, message: expect.stringContaining(mode.toString(8)) })
  })

  test('mounted by Kubernetes', async () => {
    await write(oldKey, 0o440)
    expect(await roundTrip(create({ maxMode: 0o440 }))).toBe('s3cret')
  })

  test('missing, too long, without keys', async () => {
    await expect(roundTrip(create({ path: join(folder, 'none') }))).rejects.toMatchObject({ code: 'SD_UNAVAILABLE' })
    await write('#'.repeat(70_000))
    await expect(roundTrip(create())).rejects.toMatchObject({ code: 'SD_TOO_LARGE' })
    await write('# none\n')
    await expect(roundTrip(create())).rejects.toMatchObject({ code: 'SD_MALFORMED' })
  })
})

function captured(run: () => unknown): SdError {
  try {
    run()
  } catch (error) {
    return error as SdError
  }
  throw new Error('want an error')
}
