import { SdError, toSdError, withTimeout } from '@sd/core'
import { type CryptoKey, createLocalJWKSet, errors, type JWK, type JWSHeaderParameters } from 'jose'
import type { KeySource } from './auth-jwt-options.ts'

type FindKey = ReturnType<typeof createLocalJWKSet>
type LoadKeys = (signal: AbortSignal) => Promise<readonly JWK[]>
type Limits = Required<Pick<KeySource, 'timeoutMs' | 'cacheMs' | 'cooldownMs' | 'staleMs'>>

/** Keys without an id that may have made a signature: each costs a verification. */
const maxCandidates = 10
/** After a failed request for keys the next one waits for this time, in milliseconds; twice as long after each further failure. */
const firstRetryMs = 1_000

/** Keys at one time. */
interface LoadedKeys {
  readonly find: FindKey
  /** Those without an id: the only ones that may match the id of a token in another way. */
  readonly findUnnamed: FindKey
  readonly loadedAt: number
}

/**
 * The keys of an issuer. They are loaded when a token needs them, so that there is no timer: if there are none, if they are
 * older than `cacheMs`, and if the id of a key is not known. While they can't be loaded, those from before are used up to
 * `staleMs`. One request at a time loads them for all callers.
 */
export class KeyStore {
  readonly #source: Limits
  readonly #load: LoadKeys | undefined
  readonly #closed = new AbortController()
  #keys: LoadedKeys | undefined
  #loading: Promise<void> | undefined
  #attemptAt = Number.NEGATIVE_INFINITY
  #failures = 0
  #error: SdError | undefined

  /** @param load absent for keys that do not change */
  constructor(source: Limits, load: LoadKeys | undefined, initial?: readonly JWK[]) {
    this.#source = source
    this.#load = load
    if (initial) this.#keys = prepare(initial)
  }

  /**
   * Keys that may have made the signature of a token with this header. Its id of a key is only compared.
   *
   * @returns empty if the issuer has no such key
   * @throws SdError `SD_UNAVAILABLE` if the keys are not known
   */
  async find(header: JWSHeaderParameters): Promise<readonly CryptoKey[]> {
    const keys = await this.#current()
    const found = await match(keys, header)
    if (found.length > 0 || !this.#load) return found
    if (this.#loading || this.#mayLoad(this.#source.cooldownMs)) {
      await this.#loadOnce()
      const later = await match(this.#keys ?? keys, header)
      if (later.length > 0) return later
    }
    // The key may be a new one that the issuer could not tell.
    if (this.#error) throw this.#unavailable()
    return []
  }

  /** Stops a request in progress. Idempotent. */
  close(): void {
    this.#closed.abort()
  }

  async #current(): Promise<LoadedKeys> {
    const { cacheMs, staleMs } = this.#source
    const known = this.#keys
    const age = known ? performance.now() - known.loadedAt : Number.POSITIVE_INFINITY
    if (known && (age <= cacheMs || !this.#load)) return known
    const isUsable = age <= staleMs
    // While the issuer is unreachable, no request waits for it as long as there are keys.
    const waits = !isUsable || this.#failures === 0
    if (this.#loading || this.#mayLoad(0)) {
      const loading = this.#loadOnce()
      if (waits) await loading
    }
    const keys = this.#keys
    if (keys && performance.now() - keys.loadedAt <= staleMs) return keys
    throw this.#unavailable()
  }

  /** @param cooldownMs since the last request, if that was not a failure */
  #mayLoad(cooldownMs: number): boolean {
    const retryMs = firstRetryMs * 2 ** Math.min(this.#failures - 1, 20)
    const pauseMs = this.#failures > 0 ? Math.min(this.#source.cooldownMs, retryMs) : cooldownMs
    return performance.now() - this.#attemptAt >= pauseMs
  }

  #loadOnce(): Promise<void> {
    this.#loading ??= this.#run().finally(() => {
      this.#loading = undefined
    })
    return this.#loading
  }

  async #run(): Promise<void> {
    this.#attemptAt = performance.now()
    try {
      const limits = { timeoutMs: this.#source.timeoutMs, what: 'the request for the keys', signal: this.#closed.signal }
      this.#keys = prepare(await withTimeout(limits, this.#load as LoadKeys))
      this.#failures = 0
      this.#error = undefined
    } catch (error) {
      this.#failures++
      this.#error = toSdError(error, 'SD_UNAVAILABLE', 'The keys can not be loaded')
    }
  }

  #unavailable(): SdError {
    return new SdError('SD_UNAVAILABLE', 'The keys of the issuer are not known', {
      cause: this.#error,
      retryAfterMs: firstRetryMs,
    })
  }
}

function prepare(keys: readonly JWK[]): LoadedKeys {
  return {
    find: createLocalJWKSet({ keys: [...keys] }),
    findUnnamed: createLocalJWKSet({ keys: keys.filter(({ kid }) => kid === undefined) }),
    loadedAt: performance.now(),
  }
}

async function match({ find, findUnnamed }: LoadedKeys, header: JWSHeaderParameters): Promise<readonly CryptoKey[]> {
  const { kid, ...unnamed } = header
  const found = await candidates(find, header)
  return found.length > 0 || kid === undefined ? found : candidates(findUnnamed, unnamed)
}

async function candidates(find: FindKey, header: JWSHeaderParameters): Promise<readonly CryptoKey[]> {
  try {
    return [await find(header)]
  } catch (error) {
    const keys: CryptoKey[] = []
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) return keys
    for await (const key of error) {
      keys.push(key)
      if (keys.length === maxCandidates) break
    }
    return keys
  }
}
