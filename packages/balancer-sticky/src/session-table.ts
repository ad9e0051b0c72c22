import type { Endpoint } from '@sd/core'
import type { StickyCounters } from './statistics.ts'

/** One session: a key, where it goes, and its place in the order of use. */
export interface StickySession {
  /** What names the session. */
  readonly key: string
  /** Where it goes. */
  endpoint: Endpoint
  /** Where the endpoint was in the view when it was looked up last; -1 if it was not in it, or nobody looked yet. */
  index: number
  /** By `performance.now()`. */
  usedAt: number
  /** Used before this one. */
  older: StickySession | undefined
  /** Used after this one. */
  newer: StickySession | undefined
}

/** Limits of a {@link SessionTable}. */
export interface SessionTableOptions {
  /** A session that was not used for this long has ended, in milliseconds. */
  readonly timeoutMs: number
  /** Most sessions; the one that was not used for longest makes room. */
  readonly maxSessions: number
  /** Counts what expires and is evicted. */
  readonly counters: StickyCounters
}

/**
 * The sessions of one service, in the order of their last use: all have the same timeout, so who expires first and who makes room is
 * the oldest. A list that is linked through the sessions, so that use allocates nothing.
 */
export class SessionTable {
  readonly #options: SessionTableOptions
  readonly #sessions = new Map<string, StickySession>()
  #oldest: StickySession | undefined
  #newest: StickySession | undefined

  constructor(options: SessionTableOptions) {
    this.#options = options
  }

  /** The session of a key, now used; `undefined` if there is none. Ends those that are over. */
  use(key: string, now: number): StickySession | undefined {
    this.expire(now)
    const session = this.#sessions.get(key)
    if (!session) return undefined
    session.usedAt = now
    if (session !== this.#newest) {
      this.#unlink(session)
      this.#link(session)
    }
    return session
  }

  /** Begins a session; the key must have none. */
  start(key: string, endpoint: Endpoint, now: number): void {
    if (this.#sessions.size >= this.#options.maxSessions && this.#oldest) {
      this.#options.counters.evicted++
      this.#end(this.#oldest)
    }
    // A part of a header would keep the whole header in memory: this is a copy, of any string.
    const copy = Buffer.from(key, 'utf16le').toString('utf16le')
    const session: StickySession = { key: copy, endpoint, index: -1, usedAt: now, older: undefined, newer: undefined }
    this.#sessions.set(copy, session)
    this.#link(session)
  }

  /** Number of sessions. */
  get size(): number {
    return this.#sessions.size
  }

  /** Ends the sessions that are over. */
  expire(now: number): void {
    const { timeoutMs, counters } = this.#options
    while (this.#oldest && now - this.#oldest.usedAt > timeoutMs) {
      counters.expired++
      this.#end(this.#oldest)
    }
  }

  #end(session: StickySession): void {
    this.#sessions.delete(session.key)
    this.#unlink(session)
  }

  #link(session: StickySession): void {
    session.older = this.#newest
    session.newer = undefined
    if (this.#newest) this.#newest.newer = session
    else this.#oldest = session
    this.#newest = session
  }

  #unlink(session: StickySession): void {
    const { older, newer } = session
    if (older) older.newer = newer
    else this.#oldest = newer
    if (newer) newer.older = older
    else this.#newest = older
  }
}
