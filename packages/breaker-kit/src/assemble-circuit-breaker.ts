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
  type Notifier,
  type Outcome,
  type Permit,
  publishTelemetry,
} from '@sd/core'
import { createExecute } from './circuit-execute.ts'
import { type ResolvedCircuitOptions, resolveCircuitOptions } from './circuit-options.ts'
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
  readonly #changes: Notifier<[CircuitChange]>
  readonly #outage: Outage
  #state: CircuitState = 'closed'
  /** Grows with every change: what was acquired before says nothing about the circuit as it is now. */
  #generation = 0
  #trials: Trials = noTrials()
  /** How long it was open last, in milliseconds. */
  #openedForMs = 0
  /** Made once for a generation: most calls are admitted to a closed circuit. */
  #admission: Admission = { generation: 0, round: 0 }

  constructor(options: ResolvedCircuitOptions, engine: CircuitEngine, changes: Notifier<[CircuitChange]>) {
    this.#options = options
    this.#isTimed = options.slowCallMs < Number.POSITIVE_INFINITY
    this.#engine = engine
    this.#changes = changes
    this.#outage = new Outage(options)
  }

  get state(): CircuitState {
    return this.#state
  }

  /** Changes the state, whatever it is now. */
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
    this.#changes.queue({ state: next, previous, reason })
    this.#changes.deliver()
  }
  /** The open time is over, as the engine reports. */
  onOpenTimeOver(): void {
    if (this.#state === 'open') this.change('half-open', 'open-time-over')
  }

  /** Which threshold is reached by so many of so many calls. */
  #excess(counts: CircuitCounts, calls: number): CircuitChangeReason | undefined {
    const { failureRate, slowCallRate } = this.#options
    if (counts.failed / calls >= failureRate) return 'failure-rate'
    return counts.slow / calls >= slowCallRate ? 'slow-call-rate' : undefined
  }
  #judgeTrials(): void {
    // Against the number of all trials: what the others can't change need not wait for them.
    const reason = this.#excess(this.#trials, this.#options.trials)
    const left = this.#options.trials - this.#trials.calls
    const atWorst = { calls: this.#options.trials, failed: this.#trials.failed + left, slow: this.#trials.slow + left }
    if (reason) this.change('open', reason)
    else if (left === 0 || !this.#excess(atWorst, this.#options.trials)) this.change('closed', 'recovered')
  }
  /** Ends trials that never settle; without this the circuit would be half-open for ever. @returns whether it did */
  #expireTrials(now: number): boolean {
    if (now - this.#trials.endedAt < this.#options.trialTimeoutMs) return false
    this.#trials.failed += this.#trials.started - this.#trials.calls
    this.#trials.calls = this.#trials.started
    this.#judgeTrials()
    return true
  }
  /**
   * Trials that hang tell of the moment when they began. After the time for which it would be open had they failed, others take their place: a
   * peer that was silent is known to be back before their time limit is over.
   */
  #replaceHanging(now: number): void {
    if (now - this.#trials.progressAt < this.#openedForMs) return
    this.#trials.started = this.#trials.calls
    this.#trials.round++
  }

  /** Records the outcome of a call that was admitted. */
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
    // A neutral outcome that is not ignored, by an option of the user, counts by `ok`.
    const failed = verdict === 'neutral' ? !outcome.ok : verdict === 'failure'
    const slow = this.#isTimed && (outcome.latencyMs ?? elapsedMs) > slowCallMs
    if (this.#state === 'half-open') {
      if (isReplaced) {
        // Others find out now. That it was answered well after all is good to know.
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
    // A good call opens nothing, though it is the one by which there are enough, or older good ones have just left the window.
    if ((!failed && !slow) || counts.calls < minimumCalls) return
    const reason = this.#excess(counts, counts.calls)
    if (reason) this.change('open', reason)
  }

  /** What a call is admitted in, or `undefined` if it is refused. */
  admit(): Admission | undefined {
    if (this.#state === 'closed') return this.#outage.admits() ? this.#admission : undefined
    if (this.#state !== 'half-open') return undefined
    const now = performance.now()
    if (this.#trials.started === this.#options.trials) {
      // Not half-open any more, perhaps.
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
  /** A permit, or `undefined` if the call is refused. */
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
