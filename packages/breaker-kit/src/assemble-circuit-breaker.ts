import {
  type CircuitBreaker,
  type CircuitBreakerOptions,
  type CircuitChange,
  type CircuitChangeReason,
  type CircuitState,
  checkFunction,
  createNotifier,
  guardListener,
  judgeOutcome,
  type Outcome,
  type Permit,
  publishTelemetry,
} from '@sd/core'
import { createExecute } from './circuit-execute.ts'
import { resolveCircuitOptions } from './circuit-options.ts'
import { Outage } from './circuit-outage.ts'
import type { CircuitCounts } from './circuit-window.ts'

/** What {@link assembleCircuitBreaker} tells a library that holds the circuit. */
export interface CircuitEngine {
  /** Opens the circuit, whatever it is now, for so many milliseconds: `onHalfOpen` is called then. */
  open(forMs: number): void
  /** Closes the circuit, whatever it is now. No end of an open time may be told until it is opened again. */
  close(): void
}

/** What an engine is made from. */
export interface CircuitEngineSettings {
  /** Name of the breaker. */
  readonly name: string
  /** To be called when the circuit becomes half-open, because its open time is over. */
  readonly onHalfOpen: () => void
}

/** A mutable {@link CircuitCounts}. */
type Trials = { -readonly [Key in keyof CircuitCounts]: number } & {
  /** Those that were not replaced. */
  started: number
  /** When the last one started or ended, by `performance.now()`. */
  progressAt: number
  /** When the last one ended, likewise; at first when the first one started. */
  endedAt: number
  /** Grows when those that hang are replaced. */
  round: number
}

/** What a call is admitted in. */
interface Admission {
  readonly generation: number
  /** Of the trials; 0 for other calls. */
  readonly round: number
}

/**
 * A circuit breaker on a library that holds the circuit open and tells when trials are due. All that is to be judged is judged here, so
 * that breakers on different libraries decide alike.
 *
 * @throws SdError `SD_INVALID` that names the option
 */
export function assembleCircuitBreaker(
  createEngine: (settings: CircuitEngineSettings) => CircuitEngine,
  options: CircuitBreakerOptions,
): CircuitBreaker {
  const resolved = resolveCircuitOptions(options)
  const { name, window, minimumCalls, failureRate, slowCallMs, slowCallRate, isIgnored } = resolved
  const isTimed = slowCallMs < Number.POSITIVE_INFINITY
  const changes = createNotifier<[CircuitChange]>((change) =>
    publishTelemetry('sd:v1:breaker:state', { breaker: name, ...change }),
  )
  const engine = createEngine({ name, onHalfOpen: onOpenTimeOver })
  const outage = new Outage(resolved)
  let state: CircuitState = 'closed'
  /** Grows with every change: what was acquired before says nothing about the circuit as it is now. */
  let generation = 0
  let trials: Trials = noTrials()
  /** How long it was open last, in milliseconds. */
  let openedForMs = 0
  /** Made once for a generation: most calls are admitted to a closed circuit. */
  let admission: Admission = { generation, round: 0 }

  function change(next: CircuitState, reason: CircuitChangeReason): void {
    const previous = state
    state = next
    admission = { generation: ++generation, round: 0 }
    window.reset()
    trials = noTrials()
    if (next === 'open') {
      openedForMs = outage.open(previous === 'closed' || previous === 'isolated')
      engine.open(openedForMs)
    } else if (next !== 'half-open') engine.close()
    if (reason === 'recovered') outage.recover()
    else if (next === 'closed') outage.end()
    if (next === previous) return
    changes.queue({ state: next, previous, reason })
    changes.deliver()
  }
  function onOpenTimeOver(): void {
    if (state === 'open') change('half-open', 'open-time-over')
  }

  /** Which threshold is reached by so many of so many calls. */
  function excess(counts: CircuitCounts, calls: number): CircuitChangeReason | undefined {
    if (counts.failed / calls >= failureRate) return 'failure-rate'
    return counts.slow / calls >= slowCallRate ? 'slow-call-rate' : undefined
  }
  function judgeTrials(): void {
    // Against the number of all trials: what the others can't change need not wait for them.
    const reason = excess(trials, resolved.trials)
    const left = resolved.trials - trials.calls
    const atWorst = { calls: resolved.trials, failed: trials.failed + left, slow: trials.slow + left }
    if (reason) change('open', reason)
    else if (left === 0 || !excess(atWorst, resolved.trials)) change('closed', 'recovered')
  }
  /** Ends trials that never settle; without this the circuit would be half-open for ever. @returns whether it did */
  function expireTrials(now: number): boolean {
    if (now - trials.endedAt < resolved.trialTimeoutMs) return false
    trials.failed += trials.started - trials.calls
    trials.calls = trials.started
    judgeTrials()
    return true
  }
  /**
   * Trials that hang tell of the moment when they began. After the time for which it would be open had they failed, others take their place: a
   * peer that was silent is known to be back before their time limit is over.
   */
  function replaceHanging(now: number): void {
    if (now - trials.progressAt < openedForMs) return
    trials.started = trials.calls
    trials.round++
  }

  function settle(admittedIn: Admission, outcome: Outcome, elapsedMs: number): void {
    if (admittedIn.generation !== generation) return
    const isReplaced = state === 'half-open' && admittedIn.round !== trials.round
    if (state === 'half-open' && !isReplaced) trials.progressAt = trials.endedAt = performance.now()
    if (isIgnored(outcome)) {
      if (state === 'half-open' && !isReplaced) trials.started--
      return
    }
    const verdict = judgeOutcome(outcome)
    // A neutral outcome that is not ignored, by an option of the user, counts by `ok`.
    const failed = verdict === 'neutral' ? !outcome.ok : verdict === 'failure'
    const slow = isTimed && (outcome.latencyMs ?? elapsedMs) > slowCallMs
    if (state === 'half-open') {
      if (isReplaced) {
        // Others find out now. That it was answered well after all is good to know.
        if (failed || slow || trials.started === resolved.trials) return
        trials.started++
      }
      trials.calls++
      if (failed) trials.failed++
      if (slow) trials.slow++
      judgeTrials()
      return
    }
    const counts = window.add(failed, slow)
    // A good call opens nothing, though it is the one by which there are enough, or older good ones have just left the window.
    if ((!failed && !slow) || counts.calls < minimumCalls) return
    const reason = excess(counts, counts.calls)
    if (reason) change('open', reason)
  }

  /** What a call is admitted in, or `undefined` if it is refused. */
  function admit(): Admission | undefined {
    if (state === 'closed') return outage.admits() ? admission : undefined
    if (state !== 'half-open') return undefined
    const now = performance.now()
    if (trials.started === resolved.trials) {
      // Not half-open any more, perhaps.
      if (expireTrials(now)) return admit()
      replaceHanging(now)
      if (trials.started === resolved.trials) return undefined
    }
    trials.started++
    trials.progressAt = now
    trials.endedAt ||= now
    if (admission.round !== trials.round) admission = { generation, round: trials.round }
    return admission
  }
  function tryAcquire(): Permit | undefined {
    let admittedIn = admit()
    if (admittedIn === undefined) return undefined
    const admittedAt = isTimed ? performance.now() : 0
    return {
      settle(outcome) {
        if (admittedIn === undefined) return
        const settledIn = admittedIn
        admittedIn = undefined
        settle(settledIn, outcome, isTimed ? performance.now() - admittedAt : 0)
      },
    }
  }

  return {
    name,
    get state() {
      return state
    },
    tryAcquire,
    execute: createExecute(resolved, { admit, settle }),
    open: () => change('open', 'manual'),
    close: () => change('closed', 'manual'),
    isolate: () => change('isolated', 'manual'),
    onStateChange(listener) {
      return changes.add(guardListener(`state listener of breaker ${name}`, checkFunction('listener', listener)))
    },
  }
}

function noTrials(): Trials {
  return { calls: 0, failed: 0, slow: 0, started: 0, progressAt: 0, endedAt: 0, round: 0 }
}
