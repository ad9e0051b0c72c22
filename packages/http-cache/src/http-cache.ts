import { publishTelemetry, SdError } from '@sd/core'
import { CacheFill, type FillEnd, type FillInit, type FillOwner } from './cache-fill.ts'
import { answer, type CacheResponse } from './cache-response.ts'
import { formatCacheStatus, type StatusInit } from './cache-status.ts'
import { hasPrecondition } from './conditions.ts'
import { type Directives, parseDirectives } from './directives.ts'
import { getField, type RawFields } from './fields.ts'
import { judge, type Verdict } from './freshness.ts'
import { GuardedStore } from './guarded-store.ts'
import { OpenFills } from './open-fills.ts'
import { type CacheSettings, type HttpCacheOptions, readCacheOptions } from './options.ts'
import { selectionOf, selectResponse } from './selection.ts'
import { hasValidator } from './storable.ts'
import type { PurgeMatch, StoredResponse } from './stored-response.ts'

/** A request, as the cache sees it. */
export interface CacheRequest {
  readonly method: string
  /** Absolute URL without fragment. */
  readonly url: string
  /** Requests of different zones share nothing. @default '' */
  readonly zone?: string
  /** Names in lower case and values in turn. */
  readonly rawHeaders: RawFields
  /**
   * Whether the response may be for one user only: a shared cache stores it as one to a request with `authorization`.
   *
   * @default whether it has `authorization`
   */
  readonly hasCredentials?: boolean
  /** Targeted fields that apply to this response. @default those of the cache */
  readonly targets?: readonly string[]
  /** Whether the caller can validate a stale response after it has responded with it. @default false */
  readonly canRefresh?: boolean
}

/** What to do with a request. */
export type CacheDecision =
  | {
      readonly kind: 'respond'
      readonly response: CacheResponse
      /** A request to send now, beside the response: its result is only stored. Abort it if it is not sent. */
      readonly refresh?: CacheFill
    }
  | { readonly kind: 'forward'; readonly fill: CacheFill }

/** Counts since the cache was created. */
export interface CacheStats {
  /** Responses from the cache without a request to the service. */
  readonly hits: number
  /** Those of them that were stale. */
  readonly staleHits: number
  /** Requests that were sent because nothing fitting was stored, or must not be. */
  readonly misses: number
  /** Stored responses that the service has confirmed. */
  readonly validated: number
  /** Stale responses in place of an error. */
  readonly staleOnError: number
  /** Requests that were answered by the response to another one. */
  readonly collapsed: number
  /** Responses that were stored. */
  readonly stored: number
  /** Operations of the store that failed or were too slow. */
  readonly storeFailures: number
}

/** What a purge removes. */
export type CachePurge =
  /** The responses for one URL. @param zone @default '' */
  | { readonly url: string; readonly zone?: string }
  /** The responses for all URLs that begin with a text. */
  | { readonly urlPrefix: string; readonly zone?: string }
  /** The responses with a tag, in all zones. */
  | { readonly tag: string }

/** A cache. Whatever sends the requests is its caller: an interceptor, a gateway. */
export interface HttpCache extends AsyncDisposable {
  readonly name: string
  readonly stats: CacheStats
  /** Decides what to do with a request. Never rejects: without its store the cache forwards. */
  open(request: CacheRequest): Promise<CacheDecision>
  /** Removes responses. A response that is on its way is not stored. @returns how many it has removed */
  purge(purge: CachePurge): Promise<number>
  /** Ends all waits, and closes the store. Idempotent. */
  close(): Promise<void>
}

const onlyIfCached = new TextEncoder().encode('The response is not stored.\n')

/** Creates a cache. @throws SdError `SD_INVALID` that names the option */
export function createHttpCache(options: HttpCacheOptions = {}): HttpCache {
  return new Cache(readCacheOptions(options))
}

class Cache implements HttpCache, FillOwner {
  readonly settings: CacheSettings
  readonly #store: GuardedStore
  readonly #fills = new OpenFills()
  readonly #counts = { hits: 0, staleHits: 0, misses: 0, validated: 0, staleOnError: 0, collapsed: 0, stored: 0 }
  #pendingBytes = 0
  #isClosed = false

  constructor(settings: CacheSettings) {
    this.settings = settings
    this.#store = new GuardedStore(settings.store, settings.storeTimeoutMs)
  }

  get name(): string {
    return this.settings.name
  }

  get stats(): CacheStats {
    return { ...this.#counts, storeFailures: this.#store.failures }
  }

  async open(request: CacheRequest): Promise<CacheDecision> {
    const { method, url, rawHeaders, zone = '' } = request
    const hasCredentials = request.hasCredentials ?? getField(rawHeaders, 'authorization') !== undefined
    const directives = this.#directivesOf(rawHeaders)
    const { isShared, targets } = this.settings
    const kind = { isShared, targets: request.targets ?? targets }
    const base = { key: keyOf(zone, url), url, zone, method, rawHeaders, hasCredentials, directives, kind }
    const isRead = method === 'GET' || method === 'HEAD'
    if (!isRead || this.#isClosed || hasPrecondition(rawHeaders)) {
      const fwd = isRead ? 'request' : 'method'
      return this.#forward({ ...base, fwd, collapsed: false, stored: undefined }, undefined)
    }
    return await this.#find(request, base)
  }

  async purge(purge: CachePurge): Promise<number> {
    const { zone = '' } = 'tag' in purge ? {} : purge
    if ('tag' in purge) return await this.#purge({ tag: purge.tag })
    if ('url' in purge) return await this.#purge({ key: keyOf(zone, purge.url) })
    if (typeof purge.urlPrefix !== 'string') throw new SdError('SD_INVALID', 'A purge needs a url, a urlPrefix or a tag')
    return await this.#purge({ prefix: keyOf(zone, purge.urlPrefix) })
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#fills.abortAll()
    await this.#store.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  // What fills need.

  put(response: StoredResponse): Promise<boolean> {
    return this.#isClosed ? Promise.resolve(false) : this.#store.put(response)
  }

  invalidate(url: string, zone: string, rawHeaders: RawFields = []): void {
    void this.#purge({ key: keyOf(zone, url) })
    // One origin may not remove the responses of another (RFC 9111, 4.4).
    for (const name of ['location', 'content-location']) {
      const target = sameOrigin(getField(rawHeaders, name), url)
      if (target !== undefined) void this.#purge({ key: keyOf(zone, target) })
    }
  }

  reserve(bytes: number): boolean {
    this.#pendingBytes += bytes
    return this.#pendingBytes <= this.settings.maxPendingBytes
  }

  onFillEnd(fill: CacheFill, end: FillEnd): void {
    this.#fills.remove(fill, end)
  }

  count(event: 'validated' | 'staleOnError' | 'stored'): void {
    this.#counts[event]++
  }

  // A request that may be answered.

  async #find(request: CacheRequest, base: Omit<FillInit, 'fwd' | 'collapsed' | 'stored'>): Promise<CacheDecision> {
    const { rawHeaders, canRefresh = false } = request
    const { key, directives, kind } = base
    const { staleIfUnreachableMs } = this.settings
    const waitUntil = performance.now() + this.settings.collapseWaitMs
    for (let collapsed = false; ; collapsed = true) {
      const now = Date.now()
      const found = await this.#store.get(key, now)
      const stored = selectResponse(found, rawHeaders)
      const verdict = stored && judge(stored, directives, { kind, now, staleIfUnreachableMs })
      const id = this.#waitId(base, found, stored)
      const leader = id === undefined ? undefined : this.#fills.leader(id)
      const status = { collapsed }
      if (stored && verdict && isUsable(verdict, canRefresh || leader !== undefined)) {
        const response = this.#hit(stored, base, verdict, status)
        if (verdict.use !== 'refresh' || leader) return { kind: 'respond', response }
        return { kind: 'respond', response, refresh: this.#fill({ ...base, fwd: 'stale', collapsed: false, stored }, id) }
      }
      if (directives.has('only-if-cached')) return { kind: 'respond', response: this.#notStored() }
      const remainingMs = waitUntil - performance.now()
      if (leader && remainingMs > 0) {
        const end = await leader.wait(remainingMs)
        if (end === 'stored' || end === 'dropped') continue
        const response = end === 'failed' && stored && verdict ? this.#standIn(stored, base, verdict) : undefined
        if (response) return { kind: 'respond', response }
      }
      const fwd = reasonOf(found.length > 0, stored, verdict)
      const isOfUse = stored && (hasValidator(stored.rawHeaders) || (verdict?.staleIfUnreachableMs ?? 0) > 0)
      return this.#forward({ ...base, fwd, collapsed: false, stored: isOfUse ? stored : undefined }, id)
    }
  }

  #hit(stored: StoredResponse, request: FillInitBase, { use, ttlMs }: Verdict, status: StatusInit): CacheResponse {
    this.#counts.hits++
    if (use !== 'fresh') this.#counts.staleHits++
    if (status.collapsed) this.#counts.collapsed++
    publishTelemetry('sd:v1:http-cache:request', {
      cache: this.name,
      key: request.key,
      result: use === 'fresh' ? 'hit' : 'stale',
    })
    return answer(stored, request, { ...status, name: this.name, now: Date.now(), hit: true, ttlMs })
  }

  /** The request that this one waited for has failed: it would, too. */
  #standIn(stored: StoredResponse, request: FillInitBase, verdict: Verdict): CacheResponse | undefined {
    if (-verdict.ttlMs > verdict.staleIfUnreachableMs) return undefined
    this.#counts.staleOnError++
    const { ttlMs } = verdict
    return answer(stored, request, { name: this.name, now: Date.now(), hit: true, ttlMs, collapsed: true, detail: 'error' })
  }

  #notStored(): CacheResponse {
    const cacheStatus = formatCacheStatus(this.name, { detail: 'only-if-cached' })
    const rawHeaders = ['content-type', 'text/plain; charset=utf-8', 'cache-status', cacheStatus]
    return { status: 504, rawHeaders, body: onlyIfCached, rawTrailers: [] }
  }

  #forward(init: FillInit, id: string | undefined): CacheDecision {
    this.#counts.misses++
    const { key } = init
    publishTelemetry('sd:v1:http-cache:request', { cache: this.name, key, result: init.stored ? 'validate' : 'miss' })
    return { kind: 'forward', fill: this.#fill(init, id) }
  }

  #fill(init: FillInit, id: string | undefined): CacheFill {
    return this.#fills.add(new CacheFill(this, init), id)
  }

  /** What requests for the same response have in common. @returns `undefined` if they don't wait for each other */
  #waitId(
    { key, method, rawHeaders, hasCredentials, directives }: FillInitBase,
    found: readonly StoredResponse[],
    stored: StoredResponse | undefined,
  ): string | undefined {
    const { collapseWaitMs, isShared } = this.settings
    if (collapseWaitMs === 0 || method !== 'GET' || directives.has('no-store') || this.#fills.isUncacheable(key)) return undefined
    if (getField(rawHeaders, 'range') !== undefined) return undefined
    // Most responses to one user are not for another.
    if (isShared && !stored && hasCredentials) return undefined
    const names = found[0]?.selection.map(([name]) => name) ?? []
    return names.length === 0 ? key : `${key} ${JSON.stringify(selectionOf(names, rawHeaders))}`
  }

  #directivesOf(rawHeaders: RawFields): Directives {
    const field = getField(rawHeaders, 'cache-control')
    const directives = parseDirectives(field)
    if (this.settings.requestDirectives) {
      const isReload = field === undefined && parseDirectives(getField(rawHeaders, 'pragma')).has('no-cache')
      return isReload ? new Map([['no-cache', '']]) : directives
    }
    return new Map(directives.has('no-store') ? [['no-store', '']] : [])
  }

  #purge(match: PurgeMatch): Promise<number> {
    this.#fills.markObsolete(match)
    return this.#store.purge(match)
  }
}

type FillInitBase = Pick<FillInit, 'key' | 'method' | 'rawHeaders' | 'hasCredentials' | 'directives'>

/** Zones have no spaces, so that a URL can't continue the name of one. */
function keyOf(zone: string, url: string): string {
  return `${encodeURIComponent(zone)} ${url}`
}

function isUsable({ use }: Verdict, canRefresh: boolean): boolean {
  return use === 'fresh' || use === 'stale' || (use === 'refresh' && canRefresh)
}

function reasonOf(
  hasOthers: boolean,
  stored: StoredResponse | undefined,
  verdict: Verdict | undefined,
): NonNullable<StatusInit['fwd']> {
  if (stored) return (verdict?.ttlMs ?? 0) > 0 ? 'request' : 'stale'
  return hasOthers ? 'vary-miss' : 'uri-miss'
}

/** A location of the same origin, absolute. */
function sameOrigin(location: string | undefined, url: string): string | undefined {
  if (location === undefined || !URL.canParse(location, url)) return undefined
  const target = new URL(location, url)
  target.hash = ''
  return target.origin === new URL(url).origin ? target.href : undefined
}
