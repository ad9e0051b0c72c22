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
import { type ResolvedCircuitOptions, resolveCircuitOptions } from './circuit-options.ts'
import { Outage } from './circuit-outage.ts'
import type { CircuitCounts } from './circuit-window.ts'

/** The part of a circuit breaker that a library implements. */
export interface CircuitEngine {
  /** Opens the circuit for `forMs` milliseconds, in any state. `onHalfOpen` is called after that time. */
  open(forMs: number): void
  /** Closes the circuit, in any state. `onHalfOpen` must not be called until the circuit is opened again. */
  close(): void
}

/** Settings for creating a {@link CircuitEngine}. */
export interface CircuitEngineSettings {
  /** Name of the breaker. */
  readonly name: string
  /** Called by the engine when the open time is over and the circuit becomes half-open. */
  readonly onHalfOpen: () => void
}

/** Input of {@link assembleCircuitBreaker}. */
export interface CircuitBreakerAdapter {
  /** Creates the engine of the breaker, once. */
  readonly createEngine: (settings: CircuitEngineSettings) => CircuitEngine
  /** The user's options, which are validated here. */
  readonly options: CircuitBreakerOptions
}

/** Reports the changes of a circuit. */
type Changes = ReturnType<typeof createNotifier<[CircuitChange]>>

/** A mutable {@link CircuitCounts}. */
type Trials = { -readonly [Key in keyof CircuitCounts]: number } & {
  /** Trials that were not replaced. */
  started: number
  /** When the last one started or ended, by `performance.now()`. */
  progressAt: number
  /** When the last one ended, by `performance.now()`; initially when the first one started. */
  endedAt: number
  /** Incremented when hanging trials are replaced. */
  round: number
}

/** State at the time a call was admitted. */
interface Admission {
  readonly generation: number
  /** Round of the trials; 0 for other calls. */
  readonly round: number
}

/**
 * Creates a circuit breaker on a library that keeps the circuit open and reports when trials are due. All decisions are
 * made here, so that breakers on different libraries behave alike.
 *
 * @throws SdError `SD_INVALID` that names the option
 */
export function assembleCircuitBreaker({ createEngine, options }: CircuitBreakerAdapter): CircuitBreaker {
  const resolved = resolveCircuitOptions(options)
  const { name } = resolved
  const changes = createNotifier<[CircuitChange]>((change) =>
    publishTelemetry('sd:v1:breaker:state', { breaker: name, ...change }),
  )
  const engine = createEngine({ name, onHalfOpen: () => circuit.onOpenTimeOver() })
  const circuit = new Circuit(resolved, engine, changes)

  return {
    name,
    get state() {
      return circuit.state
    },
    get lastChange() {
      return circuit.lastChange
    },
    tryAcquire: () => circuit.tryAcquire(),
    execute: createExecute(resolved, {
      admit: () => circuit.admit(),
      settle: (admission, outcome, elapsedMs) => circuit.settle(admission, outcome, elapsedMs),
    }),
    open: () => circuit.change('open', 'manual'),
    close: () => circuit.change('closed', 'manual'),
    isolate: () => circuit.change('isolated', 'manual'),
    onStateChange(listener) {
      return changes.add(guardListener(`state listener of breaker ${name}`, checkFunction('listener', listener)))
    },
  }
}

/** Judges calls and trials, and changes the state. */
class Circuit {
  readonly #options: ResolvedCircuitOptions
  readonly #isTimed: boolean
  readonly #engine: CircuitEngine
  readonly #changes: Changes
  readonly #outage: Outage
  #state: CircuitState = 'closed'
  #lastChange: CircuitBreaker['lastChange']
  /** Incremented with every change: permits acquired before a change say nothing about the current state. */
  #generation = 0
  #trials: Trials = noTrials()
  /** Duration of the last open time, in milliseconds. */
  #openedForMs = 0
  /** Created once per generation, because most calls are admitted by a closed circuit. */
  #admission: Admission = { generation: 0, round: 0 }

  constructor(options: ResolvedCircuitOptions, engine: CircuitEngine, changes: Changes) {
    this.#options = options
    this.#isTimed = options.slowCallMs < Number.POSITIVE_INFINITY
    this.#engine = engine
    this.#changes = changes
    this.#outage = new Outage(options)
  }

  get state(): CircuitState {
    return this.#state
  }

  get lastChange(): CircuitBreaker['lastChange'] {
    return this.#lastChange
  }

  /** Changes the state, from any state. */
  change(next: CircuitState, reason: CircuitChangeReason): void {
    const { window } = this.#options
    const previous = this.#state
    this.#state = next
    this.#admission = { generation: ++this.#generation, round: 0 }
    window.reset()
    this.#trials = noTrials()
    if (next === 'open') {
      this.#openedForMs = this.#outage.open(previous === 'closed' || previous === 'isolated')
      this.#engine.open(this.#openedForMs)
    } else if (next !== 'half-open') this.#engine.close()
    if (reason === 'recovered') this.#outage.recover()
    else if (next === 'closed') this.#outage.end()
    if (next === previous) return
    const change = { state: next, previous, reason }
    this.#lastChange = { ...change, at: Date.now() }
    this.#changes.queue(change)
    this.#changes.deliver()
  }
  /** Called by the engine when the open time is over. */
  onOpenTimeOver(): void {
    if (this.#state === 'open') this.change('half-open', 'open-time-over')
  }

  /** Returns which threshold the counts reach. */
  #excess(counts: CircuitCounts, calls: number): CircuitChangeReason | undefined {
    const { failureRate, slowCallRate } = this.#options
    if (counts.failed / calls >= failureRate) return 'failure-rate'
    return counts.slow / calls >= slowCallRate ? 'slow-call-rate' : undefined
  }
  #judgeTrials(): void {
    // Compared with the number of all trials: if the remaining trials can't change the result, don't wait for them.
    const reason = this.#excess(this.#trials, this.#options.trials)
    const left = this.#options.trials - this.#trials.calls
    const atWorst = { calls: this.#options.trials, failed: this.#trials.failed + left, slow: this.#trials.slow + left }
    if (reason) this.change('open', reason)
    else if (left === 0 || !this.#excess(atWorst, this.#options.trials)) this.change('closed', 'recovered')
  }
  /** Ends trials that never settle, because the circuit would stay half-open forever. @returns whether it did */
  #expireTrials(now: number): boolean {
    if (now - this.#trials.endedAt < this.#options.trialTimeoutMs) return false
    this.#trials.failed += this.#trials.started - this.#trials.calls
    this.#trials.calls = this.#trials.started
    this.#judgeTrials()
    return true
  }
  /**
   * Hanging trials reflect the moment they started. They are replaced after the time for which the circuit would open if
   * they failed, so that the recovery of a silent peer is detected before their time limit.
   */
  #replaceHanging(now: number): void {
    if (now - this.#trials.progressAt < this.#openedForMs) return
    this.#trials.started = this.#trials.calls
    this.#trials.round++
  }

  /** Records the outcome of an admitted call. */
  settle(admittedIn: Admission, outcome: Outcome, elapsedMs: number): void {
    const { window, minimumCalls, slowCallMs, isIgnored } = this.#options
    if (admittedIn.generation !== this.#generation) return
    const isReplaced = this.#state === 'half-open' && admittedIn.round !== this.#trials.round
    if (this.#state === 'half-open' && !isReplaced) this.#trials.progressAt = this.#trials.endedAt = performance.now()
    if (isIgnored(outcome)) {
      if (this.#state === 'half-open' && !isReplaced) this.#trials.started--
      return
    }
    const verdict = judgeOutcome(outcome)
    // A neutral outcome that the user's `isIgnored` does not ignore is judged by `ok`.
    const failed = verdict === 'neutral' ? !outcome.ok : verdict === 'failure'
    const slow = this.#isTimed && (outcome.latencyMs ?? elapsedMs) > slowCallMs
    if (this.#state === 'half-open') {
      if (isReplaced) {
        // The replacements decide. But a late success is still a useful result.
        if (failed || slow || this.#trials.started === this.#options.trials) return
        this.#trials.started++
      }
      this.#trials.calls++
      if (failed) this.#trials.failed++
      if (slow) this.#trials.slow++
      this.#judgeTrials()
      return
    }
    const counts = window.add(failed, slow)
    // A success never opens the circuit, even if it completes the minimum number of calls, or older successes have just
    // left the window.
    if ((!failed && !slow) || counts.calls < minimumCalls) return
    const reason = this.#excess(counts, counts.calls)
    if (reason) this.change('open', reason)
  }

  /** Admits a call, or returns `undefined` if it is refused. */
  admit(): Admission | undefined {
    if (this.#state === 'closed') return this.#outage.admits() ? this.#admission : undefined
    if (this.#state !== 'half-open') return undefined
    const now = performance.now()
    if (this.#trials.started === this.#options.trials) {
      // The circuit may no longer be half-open.
      if (this.#expireTrials(now)) return this.admit()
      this.#replaceHanging(now)
      if (this.#trials.started === this.#options.trials) return undefined
    }
    this.#trials.started++
    this.#trials.progressAt = now
    this.#trials.endedAt ||= now
    if (this.#admission.round !== this.#trials.round)
      this.#admission = { generation: this.#generation, round: this.#trials.round }
    return this.#admission
  }
  /** Returns a permit, or `undefined` if the call is refused. */
  tryAcquire(): Permit | undefined {
    let admittedIn = this.admit()
    if (admittedIn === undefined) return undefined
    const admittedAt = this.#isTimed ? performance.now() : 0
    return {
      settle: (outcome) => {
        if (admittedIn === undefined) return
        const settledIn = admittedIn
        admittedIn = undefined
        this.settle(settledIn, outcome, this.#isTimed ? performance.now() - admittedAt : 0)
      },
    }
  }
}

function noTrials(): Trials {
  return { calls: 0, failed: 0, slow: 0, started: 0, progressAt: 0, endedAt: 0, round: 0 }
}
