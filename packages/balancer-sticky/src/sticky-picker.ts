import { type CallPickRequest, type Endpoint, type EndpointView, type HeaderFields, isPickable, type Picker } from '@sd/core'
import type { SessionTable, StickySession } from './session-table.ts'
import type { StickyKey } from './sticky-keys.ts'
import type { StickyTelemetry } from './sticky-telemetry.ts'
import type { TableSweeper } from './table-sweeper.ts'

/** Longest key of a session, in characters. Keys are kept in memory, and limiting their number alone would not bound it. */
const maxKeyLength = 1_024

/** Options of {@link StickyPicker}. */
export interface StickyPickerOptions {
  /** Returns the session of a request. */
  readonly key: StickyKey
  /** The inner balancer's picker for the same view. */
  readonly inner: Picker
  /** The sessions of the service. */
  readonly sessions: SessionTable
  /** Ends the sessions of idle services of the balancer. */
  readonly sweeper: TableSweeper
  /** Counters and events of the balancer. */
  readonly telemetry: StickyTelemetry
}

/** Picks the endpoint of the session, otherwise the inner picker's choice. */
export class StickyPicker implements Picker {
  readonly inner: Picker
  readonly sessions: SessionTable
  /** Identifies the balancer. Sessions of another balancer have other keys. */
  readonly telemetry: StickyTelemetry
  /** Defined only if the inner picker has it. Without it the cluster need not report every request. */
  readonly changed?: (endpoint: Endpoint) => void
  /** Defined only if the inner picker has it, or if responses start sessions. */
  readonly responded?: (endpoint: Endpoint, headers: HeaderFields) => void
  readonly #view: EndpointView
  readonly #key: StickyKey
  readonly #indices: Map<Endpoint, number>
  readonly #sweeper: TableSweeper

  constructor(view: EndpointView, { key, inner, sessions, sweeper, telemetry }: StickyPickerOptions) {
    this.#view = view
    this.#key = key
    this.#indices = new Map(view.endpoints.map((endpoint, index) => [endpoint, index]))
    this.inner = inner
    this.sessions = sessions
    this.telemetry = telemetry
    this.#sweeper = sweeper
    if (key.ofResponse || inner.responded) this.responded = (endpoint, headers) => this.#learn(endpoint, headers)
    if (inner.changed) this.changed = (endpoint) => inner.changed?.(endpoint)
  }

  pick(request: CallPickRequest): Endpoint | undefined {
    const { telemetry, sessions, inner } = this
    const key = this.#key(request)
    if (!isKey(key)) {
      const endpoint = inner.pick(request)
      telemetry.notePick('unkeyed', endpoint)
      return endpoint
    }
    const now = performance.now()
    this.#sweeper.sweep(now)
    const session = sessions.use(key, now)
    if (!session) {
      const endpoint = inner.pick(request)
      if (!endpoint) return undefined
      sessions.start(key, endpoint, now)
      telemetry.notePick('started', endpoint)
      return endpoint
    }
    const index = this.#locate(session)
    if (index >= 0 && isPickable(this.#view, index, request)) {
      telemetry.notePick('hit', session.endpoint)
      return session.endpoint
    }
    const endpoint = inner.pick(request)
    if (!endpoint) return undefined
    if (index >= 0 && isPickable(this.#view, index, anyRequest)) {
      telemetry.notePick('diverted', endpoint)
    } else {
      session.endpoint = endpoint
      telemetry.notePick('moved', endpoint)
      telemetry.noteSession('moved', endpoint)
    }
    return endpoint
  }

  /**
   * The endpoint that starts a session is the one that knows it, wherever the request went. A known session stays where it
   * is.
   */
  #learn(endpoint: Endpoint, headers: HeaderFields): void {
    this.inner.responded?.(endpoint, headers)
    const key = this.#key.ofResponse?.(headers)
    if (!isKey(key)) return
    const now = performance.now()
    this.#sweeper.sweep(now)
    if (this.sessions.use(key, now)) return
    this.sessions.start(key, endpoint, now)
  }

  /** Index of a session's endpoint in the view, or -1. Cached in the session: a lookup by endpoint costs more than the pick. */
  #locate(session: StickySession): number {
    if (this.#view.endpoints[session.index] !== session.endpoint) session.index = this.#indices.get(session.endpoint) ?? -1
    return session.index
  }
}

function isKey(key: unknown): key is string {
  return typeof key === 'string' && key !== '' && key.length <= maxKeyLength
}

/** Used to check whether an endpoint may get other requests. */
const anyRequest: CallPickRequest = {}
