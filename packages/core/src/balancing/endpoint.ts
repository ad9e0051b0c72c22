import { judgeOutcome, type Outcome } from '../call/outcome.ts'
import type { ServiceInstance } from '../instance/service-instance.ts'
import { type BlockOptions, type EndpointBlock, EndpointBlocks, type OverruledBlocks } from './endpoint-blocks.ts'

/** One instance as the caller sees it. It survives snapshots: its key is id, address and port. */
export interface Endpoint {
  /** Id, address and port in one string. */
  readonly key: string
  /** The instance as last seen. */
  readonly instance: ServiceInstance
  /** Such as `http://10.0.0.1:8080`. */
  readonly origin: string
  /** Attempts between {@link Endpoint.acquire} and {@link Endpoint.release}. */
  readonly active: number
  /**
   * Time to response headers in milliseconds, 0 before the first answer: jumps to a latency that is higher, and comes down as an
   * exponentially weighted average (Finagle's peak EWMA).
   */
  readonly latencyMs: number
  /**
   * How long its answers usually take to their headers, in milliseconds, 0 before the first: an average over answers that goes up fast
   * and comes down slowly. Unlike {@link Endpoint.latencyMs} it learns nothing from failures.
   */
  readonly usualMs: number
  /** Whether it may be picked now: nothing blocks it, or what does is not in effect. */
  readonly available: boolean
  /** The reasons for which it is blocked, in effect or not. */
  readonly blocks: readonly EndpointBlock[]
  /** Whether anything blocks it, in effect or not. */
  readonly isBlocked: boolean
  /** Whether attempts on it failed lately, or it is isolated: not used in a panic while there is another, see {@link OverruledBlocks}. */
  readonly isFailing: boolean
  /** Whether it is blocked, but may be picked once to see whether it has recovered. */
  readonly isTrial: boolean
  /** Attempts that began after the last one was answered well, and failed. */
  readonly failures: number
  /** When it answered last, by `performance.now()`; 0 for never. */
  readonly answeredAt: number
  /** When it was first seen, by `performance.now()`. */
  readonly since: number
  /** Counts one attempt as active, from pick until its end. */
  acquire(): void
  /** Ends one attempt that was acquired, and learns its latency; nothing from an outcome that {@link judgeOutcome} finds neutral. */
  release(outcome: Outcome): void
  /** The head of a response came: it is alive, however long the body takes. Optional for callers; `release` tells the rest. @param now the time by `performance.now()`, where it is known */
  answered(now?: number): void
  /** Keeps it from being picked. Idempotent: of one name there is one block, the last. */
  block(by: string, options?: BlockOptions): void
  /** Takes the block of that name back. */
  unblock(by: string): void
  /** Says which blocks are not in effect, such as in a panic of its cluster. */
  overrule(overruled: OverruledBlocks): void
  /** Replaces the instance data; key parts must not differ. */
  update(instance: ServiceInstance): void
}

/** Options of {@link createEndpoint}. */
export interface EndpointOptions {
  /** Time in which an old latency loses 63 % of its weight, in milliseconds. @default 10_000 (Finagle's peak EWMA) */
  readonly decayMs?: number
  /** Latency that a failed attempt counts as, at least, in milliseconds, so that a fast-failing host draws no traffic. @default 1_000 */
  readonly failureLatencyMs?: number
  /** Called when `active` or `available` changed. */
  readonly onChange?: (endpoint: Endpoint) => void
  /** Called with the outcome of every attempt, after it was counted. */
  readonly onOutcome?: (endpoint: Endpoint, outcome: Outcome) => void
  /** Called when a blocked endpoint answered, before its body has ended. */
  readonly onAnswer?: (endpoint: Endpoint) => void
  /**
   * Called at an attempt while five or more wait for a response, and none came for a second and ten times what is usual: long before any
   * limit of theirs. Told how long that is, in milliseconds.
   */
  readonly onSilence?: (endpoint: Endpoint, silentMs: number) => void
  /** Called when its blocks changed, in effect or not. */
  readonly onBlock?: (endpoint: Endpoint) => void
}

/** Identity of an endpoint: id, address and port. */
export function endpointKey(instance: ServiceInstance): string {
  return `${instance.id}|${instance.address}|${instance.port}`
}

const secureProtocols: ReadonlySet<string> = new Set(['https', 'h2', 'grpcs', 'wss'])

/** Whether an instance of this protocol is called over TLS. */
export function isSecureProtocol(protocol: string): boolean {
  return secureProtocols.has(protocol)
}

/** URL origin of an instance; IPv6 gets its brackets, protocols without TLS ({@link isSecureProtocol}) are plain `http`. */
export function instanceOrigin(instance: ServiceInstance): string {
  const scheme = isSecureProtocol(instance.protocol) ? 'https' : 'http'
  const host = instance.address.includes(':') ? `[${instance.address}]` : instance.address
  return `${scheme}://${host}:${instance.port}`
}

/** Builds the caller's view of an instance. */
export function createEndpoint(instance: ServiceInstance, options: EndpointOptions = {}): Endpoint {
  return new TrackedEndpoint(instance, options)
}

/** Attempts that must wait, how long in milliseconds, and how many times longer than usual, until an endpoint is silent. */
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
  answeredAt = 0
  /** When it was last answered well, by `performance.now()`. */
  #servedAt = Number.NEGATIVE_INFINITY
  readonly #onAnswer: EndpointOptions['onAnswer'] | undefined
  readonly #onBlock: EndpointOptions['onBlock'] | undefined
  readonly #onSilence: EndpointOptions['onSilence'] | undefined
  /** Attempts under way that began after the last response. */
  #unanswered = 0
  /** Since when there were two of them, by `performance.now()`: one after the other needs no clock. */
  #silentSince = 0
  /** Made at the first block: most endpoints never have one. */
  #blocks: EndpointBlocks | undefined
  #overruled: OverruledBlocks = 'none'
  #measuredAt = 0
  /** Whether the latency is mostly what a failure counts as. */
  #isPenalized = false
  /** Made at its first use: of many endpoints few are called. */
  #origin: string | undefined

  constructor(instance: ServiceInstance, options: EndpointOptions) {
    this.key = endpointKey(instance)
    this.instance = instance
    this.#decayMs = options.decayMs ?? 10_000
    this.#failureLatencyMs = options.failureLatencyMs ?? 1_000
    this.#onChange = options.onChange
    this.#onOutcome = options.onOutcome
    this.#onAnswer = options.onAnswer
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
    else if (verdict === 'success' && latencyMs !== undefined) this.#learnAnswer(latencyMs, outcome.startedAt)
    // An attempt that lost against a faster one was given up: it takes that long at least.
    else if (latencyMs !== undefined && latencyMs > this.latencyMs) this.#learn(latencyMs)
    if (verdict === 'failure') {
      if (outcome.startedAt === undefined || outcome.startedAt >= this.#servedAt) this.failures++
      this.#isPenalized = true
    }
    if (this.#unanswered > 0) this.#unanswered--
    if (outcome.status !== undefined || verdict === 'success') {
      this.answeredAt = Math.max(this.answeredAt, latencyMs === undefined ? performance.now() : this.#measuredAt)
      this.#unanswered = 0
    }
    if (verdict === 'success') {
      this.failures = 0
      this.#servedAt = this.answeredAt
    }
    this.#onChange?.(this)
    this.#onOutcome?.(this, outcome)
  }

  answered(now: number = performance.now()): void {
    this.answeredAt = now
    this.#unanswered = 0
    if (this.isBlocked) this.#onAnswer?.(this)
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

  /** @param isRead whether all that has come was read, which it is not right after a standstill of this process */
  #checkSilence(isRead: boolean): void {
    const silentMs = performance.now() - this.#silentSince
    if (this.#unanswered < silentAttempts || silentMs <= Math.max(shortestSilenceMs, unusualFactor * this.usualMs)) return
    if (isRead) this.#onSilence?.(this, silentMs)
    else setImmediate(() => this.#checkSilence(true))
  }

  #learnAnswer(latencyMs: number, startedAt: number | undefined): void {
    this.#learn(latencyMs, startedAt === undefined ? undefined : startedAt + latencyMs)
    if (this.latencyMs < 2 * latencyMs) this.#isPenalized = false
    // A quarter up and a sixteenth down: of a spread latency it settles above the mean, as RFC 6298 adds the variation.
    const gain = this.usualMs === 0 ? 1 : latencyMs > this.usualMs ? 0.25 : 0.0625
    this.usualMs += (latencyMs - this.usualMs) * gain
  }

  #learn(latencyMs: number, at: number = performance.now()): void {
    // Bodies end in another order than their heads came.
    const now = Math.max(at, this.#measuredAt)
    let weight = latencyMs >= this.latencyMs ? 0 : Math.exp((this.#measuredAt - now) / this.#decayMs)
    // What a failure counts as is no measurement: after an outage of all, they must not look alike for as long as a latency is remembered.
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
