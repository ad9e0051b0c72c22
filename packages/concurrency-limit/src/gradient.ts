import { createSampleWindow } from './sample-window.ts'

/** What the algorithm needs to know; the options of the same names say more. */
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
  /** Reads how late the event loop runs, in milliseconds. */
  readonly readEventLoopDelay: () => number
}

/** The algorithm alone: told of the time, of work and of latencies, it says how much may be under way. Keeps no timer. */
export interface Gradient {
  /** How much may be under way now; an integer. */
  readonly limit: number
  /** Latency without load in milliseconds; 0 before the first probe ended. */
  readonly minRttMs: number
  /** Latency of the last window in milliseconds; 0 before the first. */
  readonly sampleRttMs: number
  /** Mean lateness of the event loop as last read, in milliseconds. */
  readonly eventLoopDelayMs: number
  /** Whether the latency without load is being measured now. */
  readonly probing: boolean
  /** Closes a window or probe whose time is over. @param active work under way */
  advance(nowMs: number, active: number): void
  /** Learns a latency. @param startedAtMs when that work began */
  learn(startedAtMs: number, measuredMs: number, how: LearnedWork): void
}

/** How work whose latency is learned went. */
export interface LearnedWork {
  /** Whether it succeeded. */
  readonly ok: boolean
  /** For how long this process stood still while it was under way, in milliseconds. */
  readonly standstillMs: number
}

/** Share of a probe's interval that is added at random, so that many processes don't probe at once. Envoy's default is 15 %. */
const probeJitter = 0.15
/** A limit that was at its minimum for so many windows is measured again: the latency without load may have grown (Envoy). */
const windowsAtMinimum = 5
/** By how much one window can change the limit, before smoothing (Envoy). */
const gradientRange = { min: 0.5, max: 2 }

/**
 * Envoy's gradient controller with parts of Netflix's Gradient2.
 *
 * From Envoy: the latency without load is measured in probes, with as little as `minLimit` under way, again and again with jitter; then for
 * every window `limit = limit × gradient + √limit` with `gradient = minRTT × tolerance ÷ sampleRTT`, within 0.5 and 2. From Netflix: the limit
 * is smoothed, and does not grow while less than half of it is in use. Our own: the gradient is at most `maxEventLoopDelayMs ÷ delay` when the
 * event loop is late, failures never lower a latency, and a probe has a time limit.
 *
 * @see https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/adaptive_concurrency_filter
 * @see https://github.com/Netflix/concurrency-limits (Gradient2Limit)
 */
export function createGradient(settings: GradientSettings, nowMs: number): Gradient {
  const { minLimit, maxLimit, windowMs } = settings
  const window = createSampleWindow()
  let estimate = settings.initialLimit
  let minRttMs = 0
  let sampleRttMs = 0
  let eventLoopDelayMs = 0
  let windowStartedAt = nowMs
  let loopReadAt = nowMs
  let peakActive = 0
  let lowWindows = 0
  let probeStartedAt: number | undefined = nowMs
  let nextProbeAt = Number.POSITIVE_INFINITY

  function startProbe(now: number): void {
    probeStartedAt = now
    window.clear()
  }

  function endProbe(now: number): void {
    // A few latencies say less than what is known already.
    if (window.count >= settings.minWindowSamples) minRttMs = window.percentile(settings.percentile)
    probeStartedAt = undefined
    lowWindows = 0
    nextProbeAt = now + settings.probeIntervalMs * (1 + probeJitter * settings.random())
    startWindow(now)
  }

  function startWindow(now: number): void {
    window.clear()
    windowStartedAt = now
    peakActive = 0
  }

  function moveTo(target: number): void {
    const next = estimate + (target - estimate) * settings.smoothing
    const unused = peakActive < estimate / 2
    if (next > estimate && (unused || loopIsLate())) return
    estimate = Math.min(maxLimit, Math.max(minLimit, next))
  }

  function closeWindow(now: number): void {
    sampleRttMs = window.percentile(settings.percentile)
    // Where the probe had too few calls, the first window has to do.
    if (minRttMs === 0) minRttMs = sampleRttMs
    moveTo(estimate * boundGradient((minRttMs * settings.tolerance) / sampleRttMs) + Math.sqrt(estimate))
    lowWindows = Math.floor(estimate) <= minLimit ? lowWindows + 1 : 0
    if (lowWindows >= windowsAtMinimum || now >= nextProbeAt) startProbe(now)
    else startWindow(now)
  }

  function loopIsLate(): boolean {
    return eventLoopDelayMs > settings.maxEventLoopDelayMs
  }

  function readEventLoop(now: number): void {
    loopReadAt = now
    eventLoopDelayMs = settings.readEventLoopDelay()
    // No headroom here: a process that is late must get less to do, however small the limit is.
    if (loopIsLate()) moveTo(estimate * boundGradient(settings.maxEventLoopDelayMs / eventLoopDelayMs))
  }

  function probeIsOver(now: number, startedAt: number): boolean {
    return window.count >= settings.probeSamples || now - startedAt >= settings.probeTimeoutMs
  }

  return {
    get limit() {
      return probeStartedAt === undefined ? Math.floor(estimate) : minLimit
    },
    get minRttMs() {
      return minRttMs
    },
    get sampleRttMs() {
      return sampleRttMs
    },
    get eventLoopDelayMs() {
      return eventLoopDelayMs
    },
    get probing() {
      return probeStartedAt !== undefined
    },
    advance(now, active) {
      peakActive = Math.max(peakActive, active)
      if (now - loopReadAt >= windowMs) readEventLoop(now)
      if (probeStartedAt !== undefined) {
        if (probeIsOver(now, probeStartedAt)) endProbe(now)
      } else if (now - windowStartedAt >= windowMs && window.count >= settings.minWindowSamples) {
        closeWindow(now)
      }
    },
    learn(startedAtMs, measuredMs, { ok, standstillMs }) {
      // What remains is no measure of what is to be the least, and is at least that.
      if (standstillMs > 0 && (probeStartedAt !== undefined || minRttMs === 0)) return
      const latencyMs = standstillMs > 0 ? Math.max(minRttMs, measuredMs - standstillMs) : measuredMs
      // What began before the probe began under load.
      if (probeStartedAt !== undefined ? ok && startedAtMs >= probeStartedAt : ok || latencyMs > minRttMs * settings.tolerance) {
        window.add(latencyMs)
      }
    },
  }
}

function boundGradient(gradient: number): number {
  return Math.min(gradientRange.max, Math.max(gradientRange.min, gradient))
}
