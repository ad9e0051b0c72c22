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

/** A key management service, which never reveals its keys. */
export interface Kms {
  /** Wraps a data key of 32 bytes with the named key. Don't store `dataKey`: it is overwritten with zeros once this settles. */
  wrap(dataKey: Uint8Array, request: { readonly keyId: string; readonly signal: AbortSignal }): Promise<Uint8Array>
  /**
   * Unwraps a data key. The returned bytes are overwritten with zeros after use. Throw an `SdError` to report the reason; of
   * other errors only name and code are passed on.
   */
  unwrap(wrapped: Uint8Array, request: { readonly keyId: string; readonly signal: AbortSignal }): Promise<Uint8Array>
}

/** Options of {@link createKmsKeyring}. */
export interface KmsKeyringOptions {
  /** The service. */
  readonly kms: Kms
  /** Ids of the keys; the first one is the primary. Other ids are rejected without a call. */
  readonly keyIds: readonly string[]
  /** Time limit of one call, including the wait in the queue, in milliseconds. @default 5_000 */
  readonly timeoutMs?: number
  /** Maximum number of concurrent calls. @default 8 */
  readonly maxConcurrent?: number
  /** Maximum number of unwrapped data keys in memory; 0 disables the cache. @default 1_000 */
  readonly cacheSize?: number
  /** Time an unwrapped key is cached, in milliseconds. A revoked key works for this long. @default 300_000 */
  readonly cacheMs?: number
}

const optionKeys = ['kms', 'keyIds', 'timeoutMs', 'maxConcurrent', 'cacheSize', 'cacheMs']

interface CachedKey {
  readonly dataKey: Uint8Array
  readonly until: number
}

/** Creates a keyring on a key management service. @throws SdError `SD_INVALID` that names the option */
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
  // Ordered by last use.
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
        // A copy, because the caller overwrites its own bytes with zeros, even while a call that timed out is still in progress.
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
    return checkResult(what, operation, result)
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

function checkResult(what: string, operation: 'wrap' | 'unwrap', result: unknown): Uint8Array {
  const isFitting =
    result instanceof Uint8Array && (operation === 'wrap' ? result.length <= maxWrappedLength : result.length === keyLength)
  if (!isFitting)
    throw new SdError('SD_MALFORMED', `${what}: the KMS did not return a valid ${operation === 'wrap' ? 'wrapped' : 'data'} key`)
  return result
}

function nameOf({ keyId, wrapped }: WrappedKey): string {
  return `${keyId}:${createHash('sha256').update(wrapped).digest('base64url')}`
}

/** Omits message and cause of the original error: clients can include whole requests in them, which contain data keys. */
function kmsError(what: string, error: unknown): SdError {
  if (error instanceof SdError) return error
  const { name, code } = (error ?? {}) as { readonly name?: unknown; readonly code?: unknown }
  const details = [name, code].filter((part) => typeof part === 'string').map((part) => part.slice(0, 60))
  return new SdError('SD_UNAVAILABLE', `${what} failed${details.length > 0 ? `: ${details.join(' ')}` : ''}`)
}
