import { checkFunction, checkKnownKeys, checkObject, type Ejection, guardListener, judgeOutcome, type Outcome } from '@sd/core'
import { findByFailurePercentage, findBySuccessRate, type HostSample } from './interval-rules.ts'
import { type OutlierRules, type ResolvedRules, resolveRules, ruleKeys } from './options.ts'

/** Why a host is out, and for how long. */
export interface OutlierEjection extends Ejection {
  /** The rule that took it out. */
  readonly reason: 'consecutive-5xx' | 'consecutive-gateway-errors' | 'success-rate' | 'failure-percentage'
  /** For how long, in milliseconds. */
  readonly forMs: number
}

/** Options of {@link createOutlierDetector}. */
export interface OutlierDetectorOptions<Host> extends OutlierRules {
  /** Told of every host that is taken out, synchronously. @default nobody is told */
  readonly onEject?: (host: Host, ejection: OutlierEjection) => void
  /** Told of every host that is put back before its time, synchronously: it did its work although it was out. @default nobody is told */
  readonly onRestore?: (host: Host) => void
}

/** Tells which of several hosts fail and are better left alone for a while. Hosts are whatever you call: names, addresses, objects. */
export interface OutlierDetector<Host> {
  /** Says which hosts there are: of others nothing is learned. What is known of those that stay is kept. */
  setHosts(hosts: Iterable<Host>): void
  /** Learns how work on a host ended. O(1), but for the first outcome after an interval, which costs O(hosts). */
  observe(host: Host, outcome: Outcome): void
  /** Whether the host is out now. To heed that, or not if too few are left, is up to you. */
  isEjected(host: Host): boolean
  /** Runs an async function that works on a host, and learns how it ended. What it throws is thrown on. */
  execute<T>(host: Host, work: () => Promise<T> | T): Promise<T>
}

interface HostState {
  /** Errors in a row. */
  errors: number
  /** Gateway errors in a row. */
  gatewayErrors: number
  /** In this interval. */
  requests: number
  failures: number
  /** When it did its work last, by `performance.now()`. What began before and failed is no error in a row. */
  servedAt: number
  /** When its last ejection began, by `performance.now()`. */
  ejectedAt: number
  /** Whether that was for errors in a row. */
  failedAlways: boolean
  /** When its last ejection ends or ended, by `performance.now()`. */
  ejectedUntil: number
  /** By how much its last ejection time was multiplied. */
  multiplier: number
}

/**
 * Envoy's outlier detection around anything. It has no timer: outcomes end intervals, and time alone ends ejections.
 *
 * @throws SdError `SD_INVALID` that names the option
 * @see https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/outlier
 */
export function createOutlierDetector<Host = string>(options: OutlierDetectorOptions<Host> = {}): OutlierDetector<Host> {
  checkKnownKeys('', checkObject('options', options), ['onEject', 'onRestore', ...ruleKeys])
  const onEject = guardListener('onEject', checkFunction('onEject', options.onEject ?? (() => {})))
  const onRestore = guardListener('onRestore', checkFunction('onRestore', options.onRestore ?? (() => {})))
  const rules = resolveRules(options)
  let states = new Map<Host, HostState>()
  let intervalEndsAt = performance.now() + rules.intervalMs

  function mayEject(now: number): boolean {
    let ejected = 0
    for (const state of states.values()) if (state.ejectedUntil > now) ejected++
    return ejected < mostEjected(states.size, rules.maxEjectedShare)
  }

  function eject(host: Host, state: HostState, reason: OutlierEjection['reason'], now: number): void {
    // Also if it may not go: it is to fail as often again before that is asked once more.
    state.errors = 0
    state.gatewayErrors = 0
    if (!mayEject(now)) return
    const forMs = markEjected(state, reason, rules, now)
    onEject(host, { reason, forMs })
  }

  /**
   * An ejected host did its work. If it was ejected for failing always, and that attempt began afterwards, in a panic, it has recovered. Its
   * failures teach nothing new, and a good answer says nothing of a rate.
   */
  function redeem(host: Host, state: HostState, { startedAt }: Outcome, now: number): void {
    if (!state.failedAlways || startedAt === undefined || startedAt < state.ejectedAt) return
    state.servedAt = now
    state.ejectedUntil = now
    onRestore(host)
  }

  function endInterval(now: number): void {
    intervalEndsAt = now + rules.intervalMs
    const samples: HostSample<Host>[] = []
    for (const [host, state] of states) {
      if (state.ejectedUntil <= now) samples.push({ host, requests: state.requests, failures: state.failures })
      state.requests = 0
      state.failures = 0
    }
    const { successRate, failurePercentage } = rules
    if (successRate) ejectAll(findBySuccessRate(samples, successRate), 'success-rate', now)
    if (failurePercentage) ejectAll(findByFailurePercentage(samples, failurePercentage), 'failure-percentage', now)
  }

  function ejectAll(hosts: readonly Host[], reason: OutlierEjection['reason'], now: number): void {
    for (const host of hosts) {
      const state = states.get(host)
      if (state && state.ejectedUntil <= now) eject(host, state, reason, now)
    }
  }

  function observe(host: Host, outcome: Outcome): void {
    const now = performance.now()
    if (now >= intervalEndsAt) endInterval(now)
    const state = states.get(host)
    if (!state || judgeOutcome(outcome) === 'neutral') return
    const failed = rules.isError(outcome)
    if (state.ejectedUntil > now) {
      if (!failed) redeem(host, state, outcome, now)
      return
    }
    state.requests++
    if (failed) state.failures++
    if (!failed) state.servedAt = now
    else if (outcome.startedAt !== undefined && outcome.startedAt < state.servedAt) return
    state.errors = failed ? state.errors + 1 : 0
    state.gatewayErrors = failed && isGatewayError(outcome) ? state.gatewayErrors + 1 : 0
    if (state.errors === rules.consecutive5xx) eject(host, state, 'consecutive-5xx', now)
    else if (state.gatewayErrors === rules.consecutiveGatewayErrors) eject(host, state, 'consecutive-gateway-errors', now)
  }

  return {
    setHosts(hosts) {
      const next = new Map<Host, HostState>()
      for (const host of hosts) next.set(host, states.get(host) ?? createHostState())
      states = next
    },
    observe,
    isEjected: (host) => (states.get(host)?.ejectedUntil ?? 0) > performance.now(),
    async execute(host, work) {
      const startedAt = performance.now()
      try {
        const result = await work()
        observe(host, { ok: true, startedAt, latencyMs: performance.now() - startedAt })
        return result
      } catch (error) {
        observe(host, { ok: false, startedAt, error })
        throw error
      }
    },
  }
}

/** Marks a host as ejected. @returns for how long, in milliseconds */
function markEjected(state: HostState, reason: OutlierEjection['reason'], rules: ResolvedRules, now: number): number {
  state.multiplier = nextMultiplier(state, rules, now)
  const forMs =
    Math.min(rules.baseEjectionMs * state.multiplier, rules.maxEjectionMs) + Math.floor(rules.random() * rules.maxJitterMs)
  // What it is ejected for is not held against it again when the interval ends.
  state.requests = 0
  state.failures = 0
  state.ejectedAt = now
  state.ejectedUntil = now + forMs
  state.failedAlways = reason === 'consecutive-5xx' || reason === 'consecutive-gateway-errors'
  return forMs
}

function createHostState(): HostState {
  return {
    errors: 0,
    gatewayErrors: 0,
    requests: 0,
    failures: 0,
    servedAt: 0,
    ejectedAt: 0,
    failedAlways: false,
    ejectedUntil: 0,
    multiplier: 0,
  }
}

const gatewayErrors: ReadonlySet<number> = new Set([502, 503, 504])

/** Whether an error is one of a gateway, or came without an answer: a failed connection, a timeout (Envoy takes them for 503 and 504). */
function isGatewayError({ status }: Outcome): boolean {
  return status === undefined || gatewayErrors.has(status)
}

/** How many of `hosts` may be out at once: the share, rounded down, but one at least unless the share is 0. */
function mostEjected(hosts: number, share: number): number {
  // 0.29 × 100 is a little less than 29.
  return share === 0 ? 0 : Math.max(1, Math.floor(hosts * share + 1e-9))
}

/** One more than last time, less one for every interval that went well since, and no more than the longest time needs. */
function nextMultiplier({ multiplier, ejectedUntil }: HostState, rules: ResolvedRules, now: number): number {
  const wellIntervals = Math.floor((now - ejectedUntil) / rules.intervalMs)
  const most = Math.ceil(rules.maxEjectionMs / rules.baseEjectionMs)
  return Math.min(most, Math.max(0, multiplier - wellIntervals) + 1)
}
