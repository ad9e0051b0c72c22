import { judgeOutcome, type Outcome } from '../call/outcome.ts'
import type { ServiceInstance } from '../instance/service-instance.ts'
import { type BlockOptions, type EndpointBlock, EndpointBlocks, type OverruledBlocks } from './endpoint-blocks.ts'

/** The caller's view of one instance. It survives snapshots: its key consists of id, address and port. */
export interface Endpoint {
  /** Id, address and port in one string. */
  readonly key: string
  /** The instance in the latest snapshot. */
  readonly instance: ServiceInstance
  /** Origin of its URL, such as `http://10.0.0.1:8080`. */
  readonly origin: string
  /** Number of attempts between {@link Endpoint.acquire} and {@link Endpoint.release}. */
  readonly active: number
  /**
   * Time to response headers in milliseconds, 0 before the first response. Peak EWMA as in Finagle: it rises to a higher
   * latency at once, and falls as an exponentially weighted average.
   */
  readonly latencyMs: number
  /**
   * Usual time to response headers in milliseconds, 0 before the first response. An average over responses that rises
   * fast and falls slowly. Unlike {@link Endpoint.latencyMs}, failures do not change it.
   */
  readonly usualMs: number
  /** Whether it may be picked now: no block is in effect. */
  readonly available: boolean
  /** All blocks, in effect or not. */
  readonly blocks: readonly EndpointBlock[]
  /** Whether there is any block, in effect or not. */
  readonly isBlocked: boolean
  /**
   * Whether recent attempts failed, or it is isolated. In a panic it is used only if there is no other, see {@link
   * OverruledBlocks}.
   */
  readonly isFailing: boolean
  /** Whether it is blocked, but may be picked once to find out whether it has recovered. */
  readonly isTrial: boolean
  /** Number of failed attempts that began after the last successful response. */
  readonly failures: number
  /** When the last response came, by `performance.now()`; 0 before the first. */
  readonly respondedAt: number
  /** When it was first listed, by `performance.now()`. */
  readonly since: number
  /** Starts an attempt, which is active until {@link Endpoint.release}. */
  acquire(): void
  /** Ends an attempt and records its latency. An outcome that {@link judgeOutcome} finds neutral changes no statistics. */
  release(outcome: Outcome): void
  /**
   * Reports that the head of a response has arrived: the endpoint is alive, even if the body takes long. Optional for
   * callers; `release` reports the rest.
   *
   * @param now the time by `performance.now()`, if known
   */
  responded(now?: number): void
  /** Keeps it from being picked. Idempotent: each name has one block, the latest. */
  block(by: string, options?: BlockOptions): void
  /** Removes the block with that name. */
  unblock(by: string): void
  /** Sets which blocks are not in effect, for example in a panic of its cluster. */
  overrule(overruled: OverruledBlocks): void
  /** Replaces the instance data. Id, address and port must not change. */
  update(instance: ServiceInstance): void
}

/** Options of {@link createEndpoint}. */
export interface EndpointOptions {
  /** Time in which an old latency loses 63 % of its weight, in milliseconds. @default 10_000 (Finagle's peak EWMA) */
  readonly decayMs?: number
  /**
   * Minimum latency recorded for a failed attempt, in milliseconds, so that a host that fails fast does not attract
   * traffic. @default 1_000
   */
  readonly failureLatencyMs?: number
  /** Called when `active` or `available` changed. */
  readonly onChange?: (endpoint: Endpoint) => void
  /** Called with the outcome of every attempt, after the statistics were updated. */
  readonly onOutcome?: (endpoint: Endpoint, outcome: Outcome) => void
  /** Called when a blocked endpoint responds, before the end of the body. */
  readonly onResponse?: (endpoint: Endpoint) => void
  /**
   * Called at the start of an attempt if five or more attempts wait for a response and none has come for a second and for
   * ten times the usual latency. That is long before any time limit. `silentMs` is the time without a response, in
   * milliseconds.
   */
  readonly onSilence?: (endpoint: Endpoint, silentMs: number) => void
  /** Called when its blocks changed, in effect or not. */
  readonly onBlock?: (endpoint: Endpoint) => void
}

/** Returns the identity of an endpoint: id, address and port. */
export function endpointKey(instance: ServiceInstance): string {
  return `${instance.id}|${instance.address}|${instance.port}`
}

const secureProtocols: ReadonlySet<string> = new Set(['https', 'h2', 'grpcs', 'wss'])

/** Whether instances with this protocol are called over TLS. */
export function isSecureProtocol(protocol: string): boolean {
  return secureProtocols.has(protocol)
}

/**
 * Returns the URL origin of an instance. IPv6 addresses get brackets; protocols without TLS ({@link isSecureProtocol})
 * become `http`.
 */
export function instanceOrigin(instance: ServiceInstance): string {
  const scheme = isSecureProtocol(instance.protocol) ? 'https' : 'http'
  const host = instance.address.includes(':') ? `[${instance.address}]` : instance.address
  return `${scheme}://${host}:${instance.port}`
}

/** Creates the caller's view of an instance. */
export function createEndpoint(instance: ServiceInstance, options: EndpointOptions = {}): Endpoint {
  return new TrackedEndpoint(instance, options)
}

/**
 * An endpoint is silent if this number of attempts wait, for at least this time in milliseconds, and for this multiple of
 * the usual latency.
 */
const silentAttempts = 5
const shortestSilenceMs = 1_000
const unusualFactor = 10

class TrackedEndpoint implements Endpoint {
  readonly key: string
  instance: ServiceInstance
  active = 0
  latencyMs = 0
  usualMs = 0
  available = true
  readonly since: number = performance.now()
  readonly #decayMs: number
  readonly #failureLatencyMs: number
  readonly #onChange: EndpointOptions['onChange'] | undefined
  readonly #onOutcome: EndpointOptions['onOutcome'] | undefined
  failures = 0
  respondedAt = 0
  /** When the last successful response came, by `performance.now()`. */
  #servedAt = Number.NEGATIVE_INFINITY
  readonly #onResponse: EndpointOptions['onResponse'] | undefined
  readonly #onBlock: EndpointOptions['onBlock'] | undefined
  readonly #onSilence: EndpointOptions['onSilence'] | undefined
  /** Active attempts that began after the last response. */
  #unanswered = 0
  /** When the second of them began, by `performance.now()`. Sequential attempts don't read the clock. */
  #silentSince = 0
  /** Created at the first block: most endpoints never have one. */
  #blocks: EndpointBlocks | undefined
  #overruled: OverruledBlocks = 'none'
  #measuredAt = 0
  /** Whether the latency mostly consists of the penalty for failures. */
  #isPenalized = false
  /** Created on first use: of many endpoints, few are called. */
  #origin: string | undefined

  constructor(instance: ServiceInstance, options: EndpointOptions) {
    this.key = endpointKey(instance)
    this.instance = instance
    this.#decayMs = options.decayMs ?? 10_000
    this.#failureLatencyMs = options.failureLatencyMs ?? 1_000
    this.#onChange = options.onChange
    this.#onOutcome = options.onOutcome
    this.#onResponse = options.onResponse
    this.#onBlock = options.onBlock
    this.#onSilence = options.onSilence
  }

  acquire(): void {
    this.active++
    this.#unanswered++
    this.#onChange?.(this)
    if (this.#unanswered === 2) this.#silentSince = performance.now()
    else if (this.#unanswered >= silentAttempts) this.#checkSilence(false)
  }

  release(outcome: Outcome): void {
    if (this.active > 0) this.active--
    const { latencyMs } = outcome
    const verdict = judgeOutcome(outcome)
    if (verdict === 'failure') this.#learn(Math.max(latencyMs ?? 0, this.#failureLatencyMs))
    else if (verdict === 'success' && latencyMs !== undefined) this.#learnResponse(latencyMs, outcome.startedAt)
    // The attempt was abandoned because a faster one won. Its latency is at least this.
    else if (latencyMs !== undefined && latencyMs > this.latencyMs) this.#learn(latencyMs)
    if (verdict === 'failure') {
      if (outcome.startedAt === undefined || outcome.startedAt >= this.#servedAt) this.failures++
      this.#isPenalized = true
    }
    if (this.#unanswered > 0) this.#unanswered--
    if (outcome.status !== undefined || verdict === 'success') {
      this.respondedAt = Math.max(this.respondedAt, latencyMs === undefined ? performance.now() : this.#measuredAt)
      this.#unanswered = 0
    }
    if (verdict === 'success') {
      this.failures = 0
      this.#servedAt = this.respondedAt
    }
    this.#onChange?.(this)
    this.#onOutcome?.(this, outcome)
  }

  responded(now: number = performance.now()): void {
    this.respondedAt = now
    this.#unanswered = 0
    if (this.isBlocked) this.#onResponse?.(this)
  }

  get blocks(): readonly EndpointBlock[] {
    return this.#blocks?.list() ?? []
  }

  get isBlocked(): boolean {
    return this.#blocks !== undefined && this.#blocks.size > 0
  }

  get isFailing(): boolean {
    return this.#blocks?.isFailing === true
  }

  get isTrial(): boolean {
    return this.#blocks?.isTrial === true
  }

  block(by: string, options: BlockOptions = {}): void {
    if (!this.#blocks) {
      this.#blocks = new EndpointBlocks()
      this.#blocks.overrule(this.#overruled)
    }
    this.#blocks.add(by, options)
    this.#setAvailable()
    this.#onBlock?.(this)
  }

  unblock(by: string): void {
    if (!this.#blocks?.delete(by)) return
    this.#setAvailable()
    this.#onBlock?.(this)
  }

  overrule(overruled: OverruledBlocks): void {
    if (overruled === this.#overruled) return
    this.#overruled = overruled
    this.#blocks?.overrule(overruled)
    this.#setAvailable()
  }

  get origin(): string {
    this.#origin ??= instanceOrigin(this.instance)
    return this.#origin
  }

  update(instance: ServiceInstance): void {
    this.instance = instance
    this.#origin = undefined
  }

  /** @param isRead whether all received data has been read, which is not the case right after a standstill of this process */
  #checkSilence(isRead: boolean): void {
    const silentMs = performance.now() - this.#silentSince
    if (this.#unanswered < silentAttempts || silentMs <= Math.max(shortestSilenceMs, unusualFactor * this.usualMs)) return
    if (isRead) this.#onSilence?.(this, silentMs)
    else setImmediate(() => this.#checkSilence(true))
  }

  #learnResponse(latencyMs: number, startedAt: number | undefined): void {
    this.#learn(latencyMs, startedAt === undefined ? undefined : startedAt + latencyMs)
    if (this.latencyMs < 2 * latencyMs) this.#isPenalized = false
    // Rises by a quarter and falls by a sixteenth. With a varying latency it settles above the mean, as RFC 6298 adds the
    // variation.
    const gain = this.usualMs === 0 ? 1 : latencyMs > this.usualMs ? 0.25 : 0.0625
    this.usualMs += (latencyMs - this.usualMs) * gain
  }

  #learn(latencyMs: number, at: number = performance.now()): void {
    // Bodies can end in another order than their heads arrived.
    const now = Math.max(at, this.#measuredAt)
    let weight = latencyMs >= this.latencyMs ? 0 : Math.exp((this.#measuredAt - now) / this.#decayMs)
    // The penalty for a failure is not a measurement. After an outage of all endpoints, they must not look alike until
    // the decay is over.
    if (this.#isPenalized) weight = this.isBlocked ? 0 : Math.min(weight, 0.5)
    this.latencyMs = latencyMs + (this.latencyMs - latencyMs) * weight
    this.#measuredAt = now
  }

  #setAvailable(): void {
    const available = this.#blocks?.isInEffect !== true
    if (available === this.available) return
    this.available = available
    this.#onChange?.(this)
  }
}
