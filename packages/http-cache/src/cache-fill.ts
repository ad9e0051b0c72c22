import { answer, type CacheResponse } from './cache-response.ts'
import { formatCacheStatus, type StatusInit } from './cache-status.ts'
import { isAbout, plainFields, validationFields } from './conditions.ts'
import type { Directives } from './directives.ts'
import { freshenFields, getField, type RawFields, storableFields } from './fields.ts'
import { initialAgeMs, judge } from './freshness.ts'
import type { CacheSettings } from './options.ts'
import type { CacheKind } from './response-policy.ts'
import { selectionOf, varyNames } from './selection.ts'
import { hasValidator, isStorable, tagsOf, usefulMs } from './storable.ts'
import type { StoredResponse } from './stored-response.ts'

/** How a request that others wait for ended. */
export type FillEnd = 'stored' | 'uncacheable' | 'failed' | 'dropped'

/** What becomes of a response. */
export type Received =
  /** It goes to the client, with this member in `cache-status`. */
  | { readonly kind: 'pass'; readonly cacheStatus: string }
  /** It also goes to the client, and its body to `write` and `end`. */
  | { readonly kind: 'store'; readonly cacheStatus: string }
  /** A stored response goes to the client instead. */
  | { readonly kind: 'respond'; readonly response: CacheResponse }
  /** The request must be sent again, with what `rawHeaders` is now. */
  | { readonly kind: 'repeat' }

/** The cache of a fill. */
export interface FillOwner {
  readonly settings: CacheSettings
  put(response: StoredResponse): Promise<boolean>
  invalidate(url: string, zone: string, rawHeaders?: RawFields): void
  /** Takes bytes of `maxPendingBytes`, or gives them back if negative. */
  reserve(bytes: number): boolean
  onFillEnd(fill: CacheFill, end: FillEnd): void
  count(event: 'validated' | 'staleOnError' | 'stored'): void
}

/** What a fill is about. */
export interface FillInit {
  /** Key under which its response is stored. */
  readonly key: string
  readonly url: string
  readonly zone: string
  readonly method: string
  /** Fields of the client's request. */
  readonly rawHeaders: RawFields
  /** Whether the response may be for one user only. */
  readonly hasCredentials: boolean
  /** Its `cache-control`. */
  readonly directives: Directives
  readonly kind: CacheKind
  /** Why it is sent, for `cache-status`. */
  readonly fwd: NonNullable<StatusInit['fwd']>
  /** Whether it has waited for another request. */
  readonly collapsed: boolean
  /** A stored response that can't be used without asking. */
  readonly stored: StoredResponse | undefined
}

/** One request that the cache can't answer, on its way to the service and back. */
export class CacheFill {
  /** What it is about. */
  readonly init: FillInit
  /** When it was created, by `Date.now()`. */
  readonly requestedAt: number = Date.now()
  readonly #owner: FillOwner
  readonly #waiters = new Set<(end: FillEnd) => void>()
  #stored: StoredResponse | undefined
  #head: Omit<StoredResponse, 'body' | 'rawTrailers'> | undefined
  #length: number | undefined
  #chunks: Uint8Array[] = []
  #bytes = 0
  #isObsolete = false
  #isComplete = false
  #isOver = false

  constructor(owner: FillOwner, init: FillInit) {
    this.#owner = owner
    this.init = init
    this.#stored = init.stored
  }

  /** Whether a stored response may be the result, so that the response of the service may not go to the client unseen. */
  get isValidation(): boolean {
    return this.#stored !== undefined
  }

  /** Fields of the request as it must be sent. */
  get rawHeaders(): RawFields {
    if (this.#stored) return validationFields(this.init.rawHeaders, this.#stored)
    return this.init.stored ? plainFields(this.init.rawHeaders) : this.init.rawHeaders
  }

  /** The head of the response has arrived. @param rawHeaders names in lower case and values in turn */
  receive(status: number, rawHeaders: RawFields): Received {
    const { method, url, zone } = this.init
    const { storesCookies, name } = this.#owner.settings
    const now = Date.now()
    const stored = this.#stored
    if (stored && status === 304) return this.#freshen(stored, rawHeaders, now)
    if (stored && (status === 500 || (status >= 502 && status <= 504))) {
      const response = this.#standIn(stored, 'staleIfErrorMs', status)
      if (response) return { kind: 'respond', response }
    }
    if (!isSafe(method) && status < 400) this.#owner.invalidate(url, zone, rawHeaders)
    const { hasCredentials, directives: requestDirectives, kind } = this.init
    const init = { kind, storesCookies, method, hasCredentials, requestDirectives, status, rawHeaders, now }
    const canStore = !this.#isObsolete && isStorable(init) && !this.#isTooLong(rawHeaders)
    const { fwd, collapsed } = this.init
    const cacheStatus = formatCacheStatus(name, { fwd, fwdStatus: status, stored: canStore, collapsed })
    if (!canStore) {
      // Another version exists: the stored one must not be used again.
      if (stored && status < 500) this.#owner.invalidate(url, zone)
      this.#finish('uncacheable')
      return { kind: 'pass', cacheStatus }
    }
    this.#head = this.#headOf(status, rawHeaders, now)
    return { kind: 'store', cacheStatus }
  }

  /** A part of the body. */
  write(chunk: Uint8Array): void {
    if (this.#isOver || !this.#head) return
    this.#bytes += chunk.byteLength
    const isReserved = this.#owner.reserve(chunk.byteLength)
    this.#chunks.push(chunk)
    if (!isReserved || this.#bytes > this.#owner.settings.maxBodyBytes) this.#finish('uncacheable')
  }

  /** The body is complete. */
  end(rawTrailers: RawFields = []): void {
    if (this.#isOver || !this.#head) return
    // A body that is shorter than its length was cut.
    if (this.#isObsolete || (this.#length !== undefined && this.#length !== this.#bytes)) {
      this.#finish('dropped')
      return
    }
    const response = { ...this.#head, body: Buffer.concat(this.#chunks), rawTrailers: [...rawTrailers] }
    this.#store(response)
  }

  /** There is no response. @returns a stale one that may stand in for it */
  fail(): CacheResponse | undefined {
    const response = this.#stored && this.#standIn(this.#stored, 'staleIfUnreachableMs')
    if (!response) this.#finish('dropped')
    return response
  }

  /** The exchange has ended, possibly before the response was complete. One that is complete is stored. Idempotent. */
  abort(): void {
    if (!this.#isComplete) this.#finish('dropped')
  }

  /** What is stored for it was purged or invalidated: its own response may be older. */
  markObsolete(): void {
    this.#isObsolete = true
  }

  /** Number of requests that wait for it. */
  get waiting(): number {
    return this.#waiters.size
  }

  /** Waits for its end. */
  wait(limitMs: number): Promise<FillEnd | 'timeout'> {
    return new Promise((resolve) => {
      const finish = (end: FillEnd | 'timeout'): void => {
        clearTimeout(timer)
        this.#waiters.delete(finish)
        resolve(end)
      }
      const timer = setTimeout(finish, limitMs, 'timeout')
      this.#waiters.add(finish)
      if (this.#isOver) finish('dropped')
    })
  }

  #isTooLong(rawHeaders: RawFields): boolean {
    const length = getField(rawHeaders, 'content-length')
    this.#length = length !== undefined && /^\d+$/.test(length) ? Number(length) : undefined
    return (this.#length ?? 0) > this.#owner.settings.maxBodyBytes
  }

  #headOf(status: number, received: RawFields, receivedAt: number): Omit<StoredResponse, 'body' | 'rawTrailers'> {
    const { keepStaleMs } = this.#owner.settings
    const { key, rawHeaders: request, kind } = this.init
    const { requestedAt } = this
    const rawHeaders = storableFields(received)
    const useful = usefulMs({ status, rawHeaders, receivedAt }, kind)
    const keepMs = useful + (hasValidator(rawHeaders) ? keepStaleMs : this.#owner.settings.staleIfUnreachableMs)
    const initial = initialAgeMs(received, requestedAt, receivedAt)
    const selection = selectionOf(varyNames(rawHeaders) ?? [], request)
    const tags = tagsOf(rawHeaders)
    const keepUntil = receivedAt + keepMs
    return { key, status, rawHeaders, selection, tags, requestedAt, receivedAt, initialAgeMs: initial, keepUntil }
  }

  /** The service says that what is stored is valid (RFC 9111, 4.3.3). */
  #freshen(stored: StoredResponse, received: RawFields, now: number): Received {
    if (!isAbout(stored, received)) {
      this.#stored = undefined
      return { kind: 'repeat' }
    }
    const merged = freshenFields(stored.rawHeaders, received)
    const age = getField(received, 'age')
    const head = this.#headOf(stored.status, age === undefined ? merged : [...merged, 'age', age], now)
    const fresh = { ...head, selection: stored.selection, body: stored.body, rawTrailers: stored.rawTrailers }
    if (this.#isObsolete) this.#finish('dropped')
    else this.#store(fresh)
    this.#owner.count('validated')
    return { kind: 'respond', response: this.#answer(fresh, { fwd: this.init.fwd, fwdStatus: 304 }) }
  }

  /** A stale response in place of an error, if it is allowed. */
  #standIn(
    stored: StoredResponse,
    limit: 'staleIfErrorMs' | 'staleIfUnreachableMs',
    fwdStatus?: number,
  ): CacheResponse | undefined {
    const { staleIfUnreachableMs } = this.#owner.settings
    const { directives, kind } = this.init
    const verdict = judge(stored, directives, { kind, staleIfUnreachableMs, now: Date.now() })
    if (this.#isObsolete || verdict[limit] === 0 || -verdict.ttlMs > verdict[limit]) return undefined
    this.#finish('failed')
    this.#owner.count('staleOnError')
    return this.#answer(stored, { fwd: this.init.fwd, fwdStatus, ttlMs: verdict.ttlMs, detail: 'error' })
  }

  #answer(stored: StoredResponse, status: StatusInit): CacheResponse {
    const { name } = this.#owner.settings
    return answer(stored, this.init, { ...status, name, now: Date.now(), collapsed: this.init.collapsed })
  }

  #store(response: StoredResponse): void {
    this.#isComplete = true
    void this.#owner.put(response).then((isStored) => {
      if (isStored) this.#owner.count('stored')
      this.#finish(isStored ? 'stored' : 'uncacheable')
    })
  }

  #finish(end: FillEnd): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#owner.reserve(-this.#bytes)
    this.#chunks = []
    this.#owner.onFillEnd(this, end)
    for (const waiter of this.#waiters) waiter(end)
  }
}

function isSafe(method: string): boolean {
  return method === 'GET' || method === 'HEAD' || method === 'OPTIONS' || method === 'TRACE'
}
