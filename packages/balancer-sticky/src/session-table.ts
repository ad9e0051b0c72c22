import type { Endpoint } from '@sd/core'
import type { StickyTelemetry } from './sticky-telemetry.ts'

/** One session: its key, its endpoint, and its position in the order of use. */
export interface StickySession {
  /** Key of the session. */
  readonly key: string
  /** Endpoint of its requests. */
  endpoint: Endpoint
  /** Index of the endpoint in the view at the last lookup; -1 if it was not there, or before the first lookup. */
  index: number
  /** Time of the last use, by `performance.now()`. */
  usedAt: number
  /** The session used before this one. */
  older: StickySession | undefined
  /** The session used after this one. */
  newer: StickySession | undefined
}

/** Limits of a {@link SessionTable}. */
export interface SessionTableOptions {
  /** Idle time after which a session ends, in milliseconds. */
  readonly timeoutMs: number
  /** Maximum number of sessions; the least recently used one is dropped first. */
  readonly maxSessions: number
  /** Counters and events of sessions that start, expire or are evicted. */
  readonly telemetry: StickyTelemetry
}

/**
 * The sessions of one service, in the order of their last use. All have the same timeout, so the oldest is the first to
 * expire and the first to be dropped. The list is linked through the sessions, so that using one allocates nothing.
 */
export class SessionTable {
  readonly #options: SessionTableOptions
  readonly #sessions = new Map<string, StickySession>()
  #oldest: StickySession | undefined
  #newest: StickySession | undefined

  constructor(options: SessionTableOptions) {
    this.#options = options
  }

  /** Marks the session of a key as used and returns it; `undefined` if there is none. Ends expired sessions. */
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

  /** Starts a session. The key must not have one. */
  start(key: string, endpoint: Endpoint, now: number): void {
    if (this.#sessions.size >= this.#options.maxSessions && this.#oldest) {
      this.#options.telemetry.noteSession('evicted', this.#oldest.endpoint)
      this.#end(this.#oldest)
    }
    // A substring of a header would keep the whole header in memory, so copy it.
    const copy = Buffer.from(key, 'utf16le').toString('utf16le')
    const session: StickySession = { key: copy, endpoint, index: -1, usedAt: now, older: undefined, newer: undefined }
    this.#sessions.set(copy, session)
    this.#link(session)
    this.#options.telemetry.noteSession('started', endpoint)
  }

  /** Number of sessions. */
  get size(): number {
    return this.#sessions.size
  }

  /** Ends expired sessions. */
  expire(now: number): void {
    const { timeoutMs, telemetry } = this.#options
    while (this.#oldest && now - this.#oldest.usedAt > timeoutMs) {
      telemetry.noteSession('expired', this.#oldest.endpoint)
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
