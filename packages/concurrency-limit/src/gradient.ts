import { createSampleWindow } from './sample-window.ts'

/** Settings of the algorithm; see the options of the same names. */
export interface GradientSettings {
  readonly minLimit: number
  readonly maxLimit: number
  readonly initialLimit: number
  readonly windowMs: number
  readonly minWindowSamples: number
  readonly percentile: number
  readonly tolerance: number
  readonly smoothing: number
  readonly probeIntervalMs: number
  readonly probeSamples: number
  readonly probeTimeoutMs: number
  readonly maxEventLoopDelayMs: number
  readonly random: () => number
  /** Reads the delay of the event loop, in milliseconds. */
  readonly readEventLoopDelay: () => number
}

/** The algorithm alone: computes the limit from the time, the calls in progress and their latencies. It has no timer. */
export interface Gradient {
  /** Current limit of calls in progress; an integer. */
  readonly limit: number
  /** Latency without load, in milliseconds; 0 before the end of the first probe. */
  readonly minRttMs: number
  /** Latency of the last window in milliseconds; 0 before the first. */
  readonly sampleRttMs: number
  /** Last measured mean delay of the event loop, in milliseconds. */
  readonly eventLoopDelayMs: number
  /** Whether a probe is in progress, which measures the latency without load. */
  readonly probing: boolean
  /** Closes a window or probe that is due. @param active calls in progress */
  advance(now: number, active: number): void
  /** Records a latency. @param startedAt when the call began */
  learn(startedAt: number, measuredMs: number, how: LearnedWork): void
}

/** Outcome of a call whose latency is recorded. */
export interface LearnedWork {
  /** Whether the call succeeded. */
  readonly ok: boolean
  /** How long this process was blocked during the call, in milliseconds. */
  readonly standstillMs: number
}

/** Random part of the probe interval, so that many processes do not probe at the same time. Envoy's default is 15 %. */
const probeJitter = 0.15
/** After this many windows at the minimum limit there is a probe, because the latency without load may have grown (Envoy). */
const windowsAtMinimum = 5
/** Bounds of the change by one window, before smoothing (Envoy). */
const gradientRange = { min: 0.5, max: 2 }

/**
 * Envoy's gradient controller with parts of Netflix's Gradient2.
 *
 * From Envoy: the latency without load is measured in periodic probes, with jitter, while at most `minLimit` calls are in
 * progress. Then for each window `limit = limit × gradient + √limit` with `gradient = minRTT × tolerance ÷ sampleRTT`,
 * within 0.5 and 2. From Netflix: the limit is smoothed, and does not grow while less than half of it is used. Our
 * additions: the gradient is at most `maxEventLoopDelayMs ÷ delay` while the event loop is late, failures never lower a
 * latency, and a probe has a time limit.
 *
 * @see https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/adaptive_concurrency_filter
 * @see https://github.com/Netflix/concurrency-limits (Gradient2Limit)
 */
export function createGradient(settings: GradientSettings, now: number): Gradient {
  return new GradientController(settings, now)
}

class GradientController implements Gradient {
  readonly #settings: GradientSettings
  readonly #window = createSampleWindow()
  #estimate: number
  #minRttMs = 0
  #sampleRttMs = 0
  #eventLoopDelayMs = 0
  #windowStartedAt: number
  #loopReadAt: number
  #peakActive = 0
  #lowWindows = 0
  #probeStartedAt: number | undefined
  #nextProbeAt = Number.POSITIVE_INFINITY

  constructor(settings: GradientSettings, now: number) {
    this.#settings = settings
    this.#estimate = settings.initialLimit
    this.#windowStartedAt = now
    this.#loopReadAt = now
    this.#probeStartedAt = now
  }

  #startProbe(now: number): void {
    this.#probeStartedAt = now
    this.#window.clear()
  }

  #endProbe(now: number): void {
    // A few samples are less reliable than the known value.
    if (this.#window.count >= this.#settings.minWindowSamples) this.#minRttMs = this.#window.percentile(this.#settings.percentile)
    this.#probeStartedAt = undefined
    this.#lowWindows = 0
    this.#nextProbeAt = now + this.#settings.probeIntervalMs * (1 + probeJitter * this.#settings.random())
    this.#startWindow(now)
  }

  #startWindow(now: number): void {
    this.#window.clear()
    this.#windowStartedAt = now
    this.#peakActive = 0
  }

  #moveTo(target: number): void {
    const { minLimit, maxLimit } = this.#settings
    const next = this.#estimate + (target - this.#estimate) * this.#settings.smoothing
    const unused = this.#peakActive < this.#estimate / 2
    if (next > this.#estimate && (unused || this.#loopIsLate())) return
    this.#estimate = Math.min(maxLimit, Math.max(minLimit, next))
  }

  #closeWindow(now: number): void {
    const { minLimit } = this.#settings
    this.#sampleRttMs = this.#window.percentile(this.#settings.percentile)
    // If the first probe had too few calls, use the first window instead.
    if (this.#minRttMs === 0) this.#minRttMs = this.#sampleRttMs
    this.#moveTo(
      this.#estimate * boundGradient((this.#minRttMs * this.#settings.tolerance) / this.#sampleRttMs) + Math.sqrt(this.#estimate),
    )
    this.#lowWindows = Math.floor(this.#estimate) <= minLimit ? this.#lowWindows + 1 : 0
    if (this.#lowWindows >= windowsAtMinimum || now >= this.#nextProbeAt) this.#startProbe(now)
    else this.#startWindow(now)
  }

  #loopIsLate(): boolean {
    return this.#eventLoopDelayMs > this.#settings.maxEventLoopDelayMs
  }

  #readEventLoop(now: number): void {
    this.#loopReadAt = now
    this.#eventLoopDelayMs = this.#settings.readEventLoopDelay()
    // No headroom here: a process that is late must get less work, however small the limit is.
    if (this.#loopIsLate())
      this.#moveTo(this.#estimate * boundGradient(this.#settings.maxEventLoopDelayMs / this.#eventLoopDelayMs))
  }

  #probeIsOver(now: number, startedAt: number): boolean {
    return this.#window.count >= this.#settings.probeSamples || now - startedAt >= this.#settings.probeTimeoutMs
  }

  get limit(): number {
    return this.#probeStartedAt === undefined ? Math.floor(this.#estimate) : this.#settings.minLimit
  }

  get minRttMs(): number {
    return this.#minRttMs
  }

  get sampleRttMs(): number {
    return this.#sampleRttMs
  }

  get eventLoopDelayMs(): number {
    return this.#eventLoopDelayMs
  }

  get probing(): boolean {
    return this.#probeStartedAt !== undefined
  }

  advance(now: number, active: number): void {
    const { windowMs } = this.#settings
    this.#peakActive = Math.max(this.#peakActive, active)
    if (now - this.#loopReadAt >= windowMs) this.#readEventLoop(now)
    if (this.#probeStartedAt !== undefined) {
      if (this.#probeIsOver(now, this.#probeStartedAt)) this.#endProbe(now)
    } else if (now - this.#windowStartedAt >= windowMs && this.#window.count >= this.#settings.minWindowSamples) {
      this.#closeWindow(now)
    }
  }

  learn(startedAt: number, measuredMs: number, { ok, standstillMs }: LearnedWork): void {
    // A blocked process distorts the minimum, so skip the sample there. Otherwise use the remaining time, at least the minimum.
    if (standstillMs > 0 && (this.#probeStartedAt !== undefined || this.#minRttMs === 0)) return
    const latencyMs = standstillMs > 0 ? Math.max(this.#minRttMs, measuredMs - standstillMs) : measuredMs
    // Calls that began before the probe began under load.
    if (
      this.#probeStartedAt !== undefined
        ? ok && startedAt >= this.#probeStartedAt
        : ok || latencyMs > this.#minRttMs * this.#settings.tolerance
    ) {
      this.#window.add(latencyMs)
    }
  }
}

function boundGradient(gradient: number): number {
  return Math.min(gradientRange.max, Math.max(gradientRange.min, gradient))
}
