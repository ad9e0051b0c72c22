import { checkFunction, checkKnownKeys, checkObject, type Ejection, guardListener, judgeOutcome, type Outcome } from '@sd/core'
import { findByFailurePercentage, findBySuccessRate, type HostSample } from './interval-rules.ts'
import { type OutlierRules, type ResolvedRules, resolveRules, ruleKeys } from './options.ts'

/** Reason and duration of an ejection. */
export interface OutlierEjection extends Ejection {
  /** The rule that ejected the host. */
  readonly reason: 'consecutive-5xx' | 'consecutive-gateway-errors' | 'success-rate' | 'failure-percentage'
  /** Duration, in milliseconds. */
  readonly forMs: number
}

/** Options of {@link createOutlierDetector}. */
export interface OutlierDetectorOptions<Host> extends OutlierRules {
  /** Called synchronously for every ejected host. @default none */
  readonly onEject?: (host: Host, ejection: OutlierEjection) => void
  /** Called synchronously for every host that is restored early, because a call succeeded during the ejection. @default none */
  readonly onRestore?: (host: Host) => void
}

/** Detects hosts that keep failing and should get no calls for a while. Hosts can be names, addresses or objects. */
export interface OutlierDetector<Host> {
  /** Sets the current hosts. Outcomes of others are ignored. Hosts that remain keep their state. */
  setHosts(hosts: Iterable<Host>): void
  /** Records the outcome of work on a host. O(1), except for the first outcome after an interval, which costs O(hosts). */
  observe(host: Host, outcome: Outcome): void
  /** Whether the host is ejected now. The caller decides whether to call it anyway, for example if too few are left. */
  isEjected(host: Host): boolean
  /** Runs an async function that works on a host, and records its outcome. Errors are rethrown. */
  execute<T>(host: Host, work: () => Promise<T> | T): Promise<T>
}

interface HostState {
  /** Consecutive errors. */
  errors: number
  /** Consecutive gateway errors. */
  gatewayErrors: number
  /** Requests in the current interval. */
  requests: number
  failures: number
  /** Time of the last success, by `performance.now()`. A failed attempt that began before it does not extend a row of errors. */
  servedAt: number
  /** Start of the last ejection, by `performance.now()`. */
  ejectedAt: number
  /** Whether the last ejection was for consecutive errors. */
  failedAlways: boolean
  /** End of the last ejection, by `performance.now()`. */
  ejectedUntil: number
  /** Multiplier of the last ejection time. */
  multiplier: number
}

/**
 * Envoy's outlier detection for any kind of host. It has no timer: outcomes end intervals, and ejections end by time.
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
    // Reset even if the cap prevents the ejection: the host must fail as often again before the next try.
    state.errors = 0
    state.gatewayErrors = 0
    if (!mayEject(now)) return
    const forMs = markEjected(state, reason, rules, now)
    onEject(host, { reason, forMs })
  }

  /**
   * Handles a success of an ejected host. If it was ejected for consecutive errors, and the attempt began during the
   * ejection, as in a panic, the host has recovered. Its failures provide no new information, and a success does not
   * disprove a bad rate.
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

/** Marks a host as ejected. @returns the duration, in milliseconds */
function markEjected(state: HostState, reason: OutlierEjection['reason'], rules: ResolvedRules, now: number): number {
  state.multiplier = nextMultiplier(state, rules, now)
  const forMs =
    Math.min(rules.baseEjectionMs * state.multiplier, rules.maxEjectionMs) + Math.floor(rules.random() * rules.maxJitterMs)
  // The errors that caused the ejection must not cause another one at the end of the interval.
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

/** Whether an error is a gateway error, or has no response, like a failed connection or a timeout (503 and 504 for Envoy). */
function isGatewayError({ status }: Outcome): boolean {
  return status === undefined || gatewayErrors.has(status)
}

/** Maximum number of `hosts` that may be ejected: the share, rounded down, but at least one unless the share is 0. */
function mostEjected(hosts: number, share: number): number {
  // 0.29 × 100 is slightly less than 29.
  return share === 0 ? 0 : Math.max(1, Math.floor(hosts * share + 1e-9))
}

/** The previous multiplier plus one, minus one for each healthy interval since, limited to what the longest ejection needs. */
function nextMultiplier({ multiplier, ejectedUntil }: HostState, rules: ResolvedRules, now: number): number {
  const healthyIntervals = Math.floor((now - ejectedUntil) / rules.intervalMs)
  const most = Math.ceil(rules.maxEjectionMs / rules.baseEjectionMs)
  return Math.min(most, Math.max(0, multiplier - healthyIntervals) + 1)
}
