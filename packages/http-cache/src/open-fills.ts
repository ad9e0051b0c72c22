import type { CacheFill, FillEnd } from './cache-fill.ts'
import { isPurged, type PurgeMatch } from './stored-response.ts'

/** How long it is remembered that a response can't be stored, in milliseconds. */
const rememberMs = 10_000
const mostRemembered = 1_000
const mostWaiting = 1_000

/** The requests on their way, and which of them others may wait for. */
export class OpenFills {
  readonly #open = new Set<CacheFill>()
  readonly #leaders = new Map<string, CacheFill>()
  readonly #leads = new Map<CacheFill, string>()
  /** Keys whose last response could not be stored: their requests do not wait for each other. */
  readonly #uncacheable = new Map<string, number>()

  /** Adds a request. @param id others with the same one may wait for it. @default they don't */
  add(fill: CacheFill, id: string | undefined): CacheFill {
    this.#open.add(fill)
    if (id !== undefined && !this.#leaders.has(id)) {
      this.#leaders.set(id, fill)
      this.#leads.set(fill, id)
    }
    return fill
  }

  /** The request that one with this id may wait for. */
  leader(id: string): CacheFill | undefined {
    const leader = this.#leaders.get(id)
    return leader && leader.waiting < mostWaiting ? leader : undefined
  }

  /** Whether requests for this key should not wait for each other. */
  isUncacheable(key: string): boolean {
    return (this.#uncacheable.get(key) ?? 0) > Date.now()
  }

  remove(fill: CacheFill, end: FillEnd): void {
    this.#open.delete(fill)
    const id = this.#leads.get(fill)
    this.#leads.delete(fill)
    if (id !== undefined) this.#leaders.delete(id)
    const { key } = fill.init
    this.#uncacheable.delete(key)
    if (end !== 'uncacheable' || fill.init.method !== 'GET') return
    this.#uncacheable.set(key, Date.now() + rememberMs)
    if (this.#uncacheable.size > mostRemembered) this.#uncacheable.delete(this.#uncacheable.keys().next().value as string)
  }

  /** What was removed from the store must not come back by a response that was on its way. */
  markObsolete(match: PurgeMatch): void {
    for (const fill of this.#open) {
      // Tags of a response are only known when it has arrived.
      if ('tag' in match || isPurged(match, { key: fill.init.key, tags: [] })) fill.markObsolete()
    }
  }

  abortAll(): void {
    for (const fill of [...this.#open]) fill.abort()
  }
}
