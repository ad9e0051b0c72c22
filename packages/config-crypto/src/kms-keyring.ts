import { createHash } from 'node:crypto'
import {
  checkDuration,
  checkFunction,
  checkInteger,
  checkKnownKeys,
  checkObject,
  createSemaphore,
  invalidError,
  type OperationOptions,
  SdError,
  withTimeout,
} from '@sd/core'
import { maxWrappedLength } from './envelope.ts'
import { keyLength } from './gcm.ts'
import { checkKeyId } from './key-lines.ts'
import { type Keyring, unknownKey, type WrappedKey } from './keyring.ts'

/** A key management service: keys that never leave it. */
export interface Kms {
  /** Wraps a data key of 32 bytes with the named key. Don't keep `dataKey`: it is filled with zeros once this settles. */
  wrap(dataKey: Uint8Array, request: { readonly keyId: string; readonly signal: AbortSignal }): Promise<Uint8Array>
  /** Unwraps it. The bytes returned are filled with zeros after use. Throw an `SdError` to say what went wrong; of other errors only name and code are passed on. */
  unwrap(wrapped: Uint8Array, request: { readonly keyId: string; readonly signal: AbortSignal }): Promise<Uint8Array>
}

/** Options of {@link createKmsKeyring}. */
export interface KmsKeyringOptions {
  /** The service. */
  readonly kms: Kms
  /** Ids of its keys; the first one is the primary. Others are refused without a call. */
  readonly keyIds: readonly string[]
  /** Limit of one call, waiting in line included, in milliseconds. @default 5_000 */
  readonly timeoutMs?: number
  /** Most calls at once. @default 8 */
  readonly maxConcurrent?: number
  /** Most unwrapped data keys that are kept in memory; 0 keeps none. @default 1_000 */
  readonly cacheSize?: number
  /** How long one is kept, in milliseconds: a key that was revoked works for as long. @default 300_000 */
  readonly cacheMs?: number
}

const optionKeys = ['kms', 'keyIds', 'timeoutMs', 'maxConcurrent', 'cacheSize', 'cacheMs']

interface CachedKey {
  readonly dataKey: Uint8Array
  readonly until: number
}

/** A keyring whose keys are in a key management service. @throws SdError `SD_INVALID` that names the option */
export function createKmsKeyring(options: KmsKeyringOptions): Keyring {
  checkKnownKeys('', options, optionKeys)
  checkObject('kms', options.kms)
  const { kms } = options
  checkFunction('kms.wrap', kms.wrap)
  checkFunction('kms.unwrap', kms.unwrap)
  if (!Array.isArray(options.keyIds)) throw invalidError('keyIds', options.keyIds, 'a list of ids')
  const keyIds: readonly string[] = options.keyIds.map((keyId, index) => checkKeyId(`keyIds[${index}]`, keyId))
  const [primary] = keyIds
  if (primary === undefined) throw invalidError('keyIds', keyIds, 'at least one id')
  const timeoutMs = checkDuration('timeoutMs', options.timeoutMs ?? 5_000, 1)
  const calls = createSemaphore(checkInteger('maxConcurrent', options.maxConcurrent ?? 8, { min: 1, max: 1_000 }))
  const cacheSize = checkInteger('cacheSize', options.cacheSize ?? 1_000, { min: 0, max: 100_000 })
  const cacheMs = checkDuration('cacheMs', options.cacheMs ?? 300_000)
  // In the order of their last use.
  const cache = new Map<string, CachedKey>()
  let isClosed = false

  async function call(
    operation: 'wrap' | 'unwrap',
    bytes: Uint8Array,
    keyId: string,
    { signal: own }: OperationOptions = {},
  ): Promise<Uint8Array> {
    const what = `KMS ${operation} with ${keyId}`
    const result = await withTimeout({ timeoutMs, what, signal: own }, (signal) =>
      calls.run(signal, async () => {
        // A copy, because the caller fills its own with zeros, even while a call that ran out of time is still under way.
        const copy = Uint8Array.from(bytes)
        try {
          return await kms[operation](copy, { keyId, signal })
        } catch (error) {
          throw kmsError(what, error)
        } finally {
          copy.fill(0)
        }
      }),
    )
    const isFitting =
      result instanceof Uint8Array && (operation === 'wrap' ? result.length <= maxWrappedLength : result.length === keyLength)
    if (!isFitting) throw new SdError('SD_MALFORMED', `${what}: it returned no ${operation === 'wrap' ? 'wrapped' : 'data'} key`)
    return result
  }

  function forget(name: string): void {
    cache.get(name)?.dataKey.fill(0)
    cache.delete(name)
  }

  function recall(name: string): Uint8Array | undefined {
    const found = cache.get(name)
    if (!found) return undefined
    if (found.until < performance.now()) {
      forget(name)
      return undefined
    }
    cache.delete(name)
    cache.set(name, found)
    return Uint8Array.from(found.dataKey)
  }

  function keep(name: string, dataKey: Uint8Array): void {
    if (isClosed || cacheSize === 0) return
    forget(name)
    cache.set(name, { dataKey: Uint8Array.from(dataKey), until: performance.now() + cacheMs })
    const [oldest] = cache.keys()
    if (cache.size > cacheSize && oldest !== undefined) forget(oldest)
  }

  function checkOpen(): void {
    if (isClosed) throw new SdError('SD_CLOSED', 'The keyring is closed')
  }

  return {
    async getPrimary() {
      checkOpen()
      return primary
    },
    async wrap(dataKey, operation) {
      checkOpen()
      return { keyId: primary, wrapped: await call('wrap', dataKey, primary, operation) }
    },
    async unwrap(key, operation) {
      checkOpen()
      if (!keyIds.includes(key.keyId)) throw unknownKey(key.keyId)
      const name = nameOf(key)
      const cached = recall(name)
      if (cached) return cached
      const dataKey = await call('unwrap', key.wrapped, key.keyId, operation)
      keep(name, dataKey)
      return dataKey
    },
    close() {
      isClosed = true
      for (const name of [...cache.keys()]) forget(name)
    },
  }
}

function nameOf({ keyId, wrapped }: WrappedKey): string {
  return `${keyId}:${createHash('sha256').update(wrapped).digest('base64url')}`
}

/** Without message and cause of the original: clients put whole requests in there, and these have data keys in them. */
function kmsError(what: string, error: unknown): SdError {
  if (error instanceof SdError) return error
  const { name, code } = (error ?? {}) as { readonly name?: unknown; readonly code?: unknown }
  const details = [name, code].filter((part) => typeof part === 'string').map((part) => part.slice(0, 60))
  return new SdError('SD_UNAVAILABLE', `${what} failed${details.length > 0 ? `: ${details.join(' ')}` : ''}`)
}
