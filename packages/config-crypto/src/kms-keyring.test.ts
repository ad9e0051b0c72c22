import { SdError } from '@sd/core'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { createKmsKeyring, decryptValue, encryptValue, type Kms, type KmsKeyringOptions } from './index.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

const path = 'db.password'

/** Wraps by flipping bits: only the calls matter here. */
function createFakeKms(): { readonly [Key in keyof Kms]: ReturnType<typeof vi.fn<Kms[Key]>> } {
  const flip = async (bytes: Uint8Array): Promise<Uint8Array> => bytes.map((byte) => byte ^ 0x5a)
  return { wrap: vi.fn<Kms['wrap']>(flip), unwrap: vi.fn<Kms['unwrap']>(flip) }
}

function hang(): Promise<never> {
  return new Promise(() => undefined)
}

describe('KMS', () => {
  test('round trip; the primary wraps, all of its keys unwrap', async () => {
    const kms = createFakeKms()
    const old = await encryptValue('s3cret', { keys: createKmsKeyring({ kms, keyIds: ['old'] }), path })
    const keys = createKmsKeyring({ kms, keyIds: ['new', 'old'] })
    expect(await keys.getPrimary()).toBe('new')
    expect(await encryptValue('s3cret', { keys, path })).toMatch(/^ENC\[new:/)
    expect(await decryptValue(old, { keys, path })).toBe('s3cret')
    expect(kms.unwrap.mock.lastCall?.[1].keyId).toBe('old')
    const strange = createKmsKeyring({ kms, keyIds: ['strange'] })
    await expect(decryptValue(old, { keys: strange, path })).rejects.toMatchObject({ code: 'SD_DENIED' })
    expect(kms.unwrap).toHaveBeenCalledTimes(1)
  })

  test('its copy of a data key is overwritten with zeros', async () => {
    const kms = createFakeKms()
    await encryptValue('s3cret', { keys: createKmsKeyring({ kms, keyIds: ['k'] }), path })
    expect(kms.wrap.mock.lastCall?.[0]).toEqual(new Uint8Array(32))
  })

  test('unwrapped keys are cached, limited in time and number', async () => {
    const kms = createFakeKms()
    const keys = createKmsKeyring({ kms, keyIds: ['k'], cacheSize: 2, cacheMs: 1_000 })
    const [a = '', b = '', c = ''] = await Promise.all(['a', 'b', 'c'].map((text) => encryptValue(text, { keys, path })))
    const read = (text: string): Promise<string> => decryptValue(text, { keys, path })
    for (const text of [a, a, b, a, c, a]) await read(text)
    expect(kms.unwrap).toHaveBeenCalledTimes(3)
    expect(await read(b)).toBe('b')
    expect(kms.unwrap).toHaveBeenCalledTimes(4)
    vi.advanceTimersByTime(1_001)
    expect(await read(b)).toBe('b')
    expect(kms.unwrap).toHaveBeenCalledTimes(5)
    keys.close()
    await expect(read(b)).rejects.toMatchObject({ code: 'SD_CLOSED' })
    await expect(keys.getPrimary()).rejects.toMatchObject({ code: 'SD_CLOSED' })
  })

  test('no cache', async () => {
    const kms = createFakeKms()
    const keys = createKmsKeyring({ kms, keyIds: ['k'], cacheSize: 0 })
    const text = await encryptValue('a', { keys, path })
    for (let index = 0; index < 3; index++) expect(await decryptValue(text, { keys, path })).toBe('a')
    expect(kms.unwrap).toHaveBeenCalledTimes(3)
  })

  test('a call that hangs ends at its limit, and so do queued ones', async () => {
    const kms = { ...createFakeKms(), wrap: vi.fn<Kms['wrap']>(hang) }
    const keys = createKmsKeyring({ kms, keyIds: ['k'], timeoutMs: 100, maxConcurrent: 1 })
    const all = Promise.allSettled([1, 2].map(() => encryptValue('a', { keys, path })))
    await vi.advanceTimersByTimeAsync(100)
    for (const result of await all) {
      expect(result).toMatchObject({ status: 'rejected', reason: { code: 'SD_TIMEOUT', retryable: true } })
    }
    expect(kms.wrap.mock.lastCall?.[1].signal.aborted).toBe(true)
  })

  test('the caller can abort', async () => {
    const keys = createKmsKeyring({ kms: { ...createFakeKms(), wrap: hang }, keyIds: ['k'] })
    const controller = new AbortController()
    const run = encryptValue('a', { keys, path, signal: controller.signal })
    controller.abort()
    await expect(run).rejects.toMatchObject({ code: 'SD_ABORTED' })
  })

  test.each<[string, unknown, object]>([
    [
      'its own SdError passes',
      new SdError('SD_DENIED', 'key is disabled'),
      { code: 'SD_DENIED', message: expect.stringContaining('disabled') },
    ],
    [
      'of others only name and code',
      Object.assign(new Error('request body: s3cret'), { name: 'AccessDenied', code: 'E42', config: { data: 's3cret' } }),
      { code: 'SD_UNAVAILABLE', retryable: true, message: expect.stringMatching(/unwrap with k failed: AccessDenied E42$/) },
    ],
    ['whatever it throws', undefined, { code: 'SD_UNAVAILABLE', message: expect.stringMatching(/unwrap with k failed$/) }],
  ])('failures: %s', async (_, thrown, expected) => {
    const kms = createFakeKms()
    kms.unwrap.mockRejectedValue(thrown)
    const keys = createKmsKeyring({ kms, keyIds: ['k'] })
    const text = await encryptValue('a', { keys, path })
    const error = await decryptValue(text, { keys, path }).catch((caught: unknown) => caught)
    expect(error).toMatchObject(expected)
    expect((error as SdError).cause).toBeUndefined()
    expect((error as SdError).message).toMatch(/^db\.password can't be decrypted: /)
  })

  test.each([
    ['nothing', undefined],
    ['half a key', new Uint8Array(16)],
  ])('it returns %s', async (_, result) => {
    const kms = createFakeKms()
    const keys = createKmsKeyring({ kms, keyIds: ['k'] })
    const text = await encryptValue('a', { keys, path })
    kms.unwrap.mockResolvedValue(result as never)
    await expect(decryptValue(text, { keys, path })).rejects.toMatchObject({ code: 'SD_MALFORMED' })
    kms.wrap.mockResolvedValue(result === undefined ? (result as never) : new Uint8Array(5_000))
    await expect(encryptValue('a', { keys, path })).rejects.toMatchObject({ code: 'SD_MALFORMED' })
  })

  test.each<[string, Partial<Record<keyof KmsKeyringOptions, unknown>>]>([
    ['kms', { kms: undefined }],
    ['kms.wrap', { kms: {} }],
    ['keyIds', { keyIds: 'k' }],
    ['keyIds', { keyIds: [] }],
    ['keyIds[0]', { keyIds: [' '] }],
    ['timeoutMs', { timeoutMs: 0 }],
    ['cacheSize', { cacheSize: -1 }],
  ])('bad %s', (field, change) => {
    const options = { kms: createFakeKms(), keyIds: ['k'], ...change } as KmsKeyringOptions
    expect(() => createKmsKeyring(options)).toThrow(expect.objectContaining({ code: 'SD_INVALID', field }))
  })
})
