import { createBackoff, SdError, sleep } from '@sd/core'
import { responseOf } from './consul-errors.ts'
import type { ResolvedConsulConnectionOptions } from './options.ts'
import { createRequestLane, type RequestLane } from './request-lane.ts'

/** Connections per agent that are reserved for urgent requests. */
const urgentConnections = 4

/** Longest pause that an agent can request, in milliseconds. */
const maxPauseMs = 30_000

/** Limits the requests to one agent, and respects the pauses that it requests. */
export class AgentLoad {
  readonly #settings: ResolvedConsulConnectionOptions
  readonly #attemptLimitMs: number
  readonly #lane: RequestLane
  readonly #urgent: RequestLane = createRequestLane(urgentConnections)
  readonly #backoff = createBackoff({ baseMs: 1_000, maxMs: maxPauseMs })
  /** By `performance.now()`. */
  #pausedUntil = 0

  /** @param attemptLimitMs time limit of one request, in milliseconds */
  constructor(settings: ResolvedConsulConnectionOptions, attemptLimitMs: number) {
    this.#settings = settings
    this.#attemptLimitMs = attemptLimitMs
    this.#lane = createRequestLane(settings.maxConnections)
  }

  /** Sends a request, within its limit. Rejects at once during a pause. */
  async run<T>(send: (signal: AbortSignal) => Promise<T>, signal: AbortSignal, isUrgent: boolean): Promise<T> {
    if (!isUrgent) await this.#untilAllowed(signal)
    const limit = { timeoutMs: this.#attemptLimitMs, what: `request to ${this.#settings.name}`, signal }
    return (isUrgent ? this.#urgent : this.#lane).run(send, limit)
  }

  /** Records the outcome of a request, and starts a pause if the agent is overloaded. */
  heed(error: SdError | undefined): void {
    const response = error && responseOf(error)
    // On this path the status is that of the service: 429 is a warning.
    if (response?.path.startsWith('/v1/agent/health/')) return
    if (response?.status === 429 || response?.retryAfterMs !== undefined) {
      const requestedMs = Math.min(Math.max(response.retryAfterMs ?? 0, 0), maxPauseMs)
      this.#pausedUntil = performance.now() + Math.max(requestedMs, this.#backoff.next())
    } else if (error === undefined) {
      this.#backoff.reset()
    }
  }

  /** Ends abandoned requests. */
  close(): void {
    this.#lane.close()
    this.#urgent.close()
  }

  /** Waits for a short pause to end. @throws SdError while the agent should not receive requests */
  async #untilAllowed(signal: AbortSignal): Promise<void> {
    const { name, servers, maxConnections } = this.#settings
    const pauseMs = this.#pausedUntil - performance.now()
    if (pauseMs > Math.min(1_000, this.#attemptLimitMs / 2) || (pauseMs > 0 && servers.length > 1)) {
      throw new SdError('SD_UNAVAILABLE', `${name} is overloaded; no request for ${Math.ceil(pauseMs)} ms`)
    }
    if (pauseMs > 0) await sleep(pauseMs, signal, true)
    if (this.#lane.blocked && servers.length > 1) {
      throw new SdError('SD_UNAVAILABLE', `${name} did not respond to any of ${maxConnections} requests`)
    }
  }
}
