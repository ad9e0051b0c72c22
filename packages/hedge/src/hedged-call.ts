import {
  abortError,
  type HedgedAttempt,
  type HedgedEnd,
  judgeLimit,
  judgeOutcome,
  type Outcome,
  type RetryBudget,
  SdError,
} from '@sd/core'
import type { ResolvedHedgeOptions } from './options.ts'

/** If a peer requests a longer delay, no other attempt is made. */
const longestServerDelayMs = 30_000
/** Abort reason of the attempts that lost. Created once: an error takes a stack trace, and most calls have nothing to abort. */
const lost = new SdError('SD_ABORTED', 'Another attempt responded first')

/** Rules for starting attempts and for accepting their results. */
export interface HedgeRules<T>
  extends Pick<ResolvedHedgeOptions<T>, 'maxAttempts' | 'isFinal' | 'serverDelayMs' | 'discard' | 'onHedge'> {
  /** Budget for further attempts. */
  readonly budget: Pick<RetryBudget, 'tryWithdraw'>
  /** Whether another attempt has an endpoint to go to. @default always */
  readonly canStart?: (() => boolean) | undefined
  /** What the end of an attempt says about the peer. @default a value is a success */
  readonly outcomeOf?: ((ended: HedgedEnd<T>) => Outcome) | undefined
}

/** Parts of one execution. */
export interface HedgedCall<T> {
  /** Makes an attempt. */
  readonly run: (attempt: HedgedAttempt) => Promise<T>
  /** Rules for starting attempts and for accepting their results. */
  readonly rules: HedgeRules<T>
  /** Wait before each further attempt, in milliseconds. */
  readonly delayMs: number
  /** The caller's signal. */
  readonly signal: AbortSignal | undefined
  /** Receives the latency of the first attempt, or a lower bound of it if the attempt is aborted because another one won. */
  readonly onFirstLatency: (latencyMs: number) => void
}

/** Runs one execution: starts attempts on a timer and on failure, uses the first response, and aborts the others. */
export function runHedged<T>(call: HedgedCall<T>): Promise<T> {
  const { signal } = call
  return new Promise<T>((resolve, reject) => {
    if (signal?.aborted) return reject(abortError(signal, 'hedged call'))
    new HedgedExecution(call, resolve, reject).begin()
  })
}

class HedgedExecution<T> {
  readonly #call: HedgedCall<T>
  readonly #rules: HedgeRules<T>
  readonly #resolve: (value: T) => void
  readonly #reject: (error: unknown) => void
  readonly #running = new Map<number, AbortController>()
  readonly #startedAt = performance.now()
  #started = 0
  #isOver = false
  #mayStart = true
  #timer: ReturnType<typeof setTimeout> | undefined
  /** Time at which the next attempt is due, by `performance.now()`. */
  #dueAt = 0
  #best: HedgedEnd<T> | undefined

  constructor(call: HedgedCall<T>, resolve: (value: T) => void, reject: (error: unknown) => void) {
    this.#call = call
    this.#rules = call.rules
    this.#resolve = resolve
    this.#reject = reject
  }

  begin(): void {
    this.#call.signal?.addEventListener('abort', this.#onAbort, { once: true })
    this.#start()
  }

  readonly #onAbort = (): void => {
    const reason = abortError(this.#call.signal as AbortSignal, 'hedged call')
    this.#end(reason)
    this.#reject(reason)
    if (this.#best) this.#drop(this.#best)
  }

  #start(): void {
    const attempt = ++this.#started
    const controller = new AbortController()
    this.#running.set(attempt, controller)
    this.#mayStart &&= attempt < this.#rules.maxAttempts
    this.#schedule(this.#call.delayMs)
    // An async function, so that a synchronous exception ends the attempt like any other error.
    const invoke = async (): Promise<T> => this.#call.run({ attempt, signal: controller.signal })
    invoke().then(
      (value) => this.#onEnd({ attempt, value }),
      (error: unknown) => this.#onEnd({ attempt, error }),
    )
  }

  #schedule(afterMs: number): void {
    clearTimeout(this.#timer)
    if (!this.#mayStart) return
    this.#dueAt = (this.#started === 1 ? this.#startedAt : performance.now()) + afterMs
    this.#timer = setTimeout(() => this.#onTimer(), afterMs)
  }

  #onTimer(): void {
    judgeLimit(this.#dueAt, performance.now(), () => this.#startIfSlow())
  }

  /**
   * Starts another attempt, unless a response arrived. After this process was blocked, all responses that arrived have been
   * read by now.
   */
  #startIfSlow(): void {
    if (!this.#isOver && this.#mayStart) this.#startAnother()
  }

  #startAnother(): void {
    this.#guard(() => {
      if (this.#rules.canStart?.() === false || !this.#rules.budget.tryWithdraw()) {
        this.#stopStarting()
        return this.#finishIfLast()
      }
      this.#rules.onHedge({ attempt: this.#started + 1, afterMs: performance.now() - this.#startedAt })
      this.#start()
    })
  }

  #onEnd(ended: HedgedEnd<T>): void {
    this.#running.delete(ended.attempt)
    this.#guard(() => (this.#isOver ? this.#drop(ended) : this.#judge(ended)))
  }

  #judge(ended: HedgedEnd<T>): void {
    if (ended.attempt === 1 && this.#isSuccess(ended)) this.#call.onFirstLatency(performance.now() - this.#startedAt)
    if (this.#rules.isFinal(ended)) this.#finish(ended)
    else {
      this.#keep(ended)
      const requestedMs = this.#rules.serverDelayMs(ended) ?? 0
      if (requestedMs < 0 || requestedMs > longestServerDelayMs) this.#stopStarting()
      if (!this.#mayStart) this.#finishIfLast()
      else if (requestedMs > 0) this.#schedule(requestedMs)
      else this.#startAnother()
    }
  }

  /** Whether the end of an attempt is a valid latency sample. A fast failure or an error of the caller is not. */
  #isSuccess(ended: HedgedEnd<T>): boolean {
    const outcome = this.#rules.outcomeOf?.(ended) ?? { ok: !('error' in ended), error: ended.error }
    return judgeOutcome(outcome) === 'success'
  }

  /** Runs a step that calls functions of the options. Errors that they throw go to the caller, if it is still waiting. */
  #guard(step: () => void): void {
    try {
      step()
    } catch (error) {
      this.#end(new SdError('SD_ABORTED', 'The hedged call failed'))
      this.#reject(error)
    }
  }

  #stopStarting(): void {
    this.#mayStart = false
    clearTimeout(this.#timer)
  }

  /** Remembers the result to return if no attempt succeeds: the last value, otherwise the last error. */
  #keep(ended: HedgedEnd<T>): void {
    if (this.#best && 'error' in ended && !('error' in this.#best)) return
    if (this.#best) this.#drop(this.#best)
    this.#best = ended
  }

  #drop(ended: HedgedEnd<T>): void {
    if (!('error' in ended)) this.#guard(() => this.#rules.discard(ended.value as T))
  }

  #finishIfLast(): void {
    if (this.#running.size === 0 && this.#best) this.#finish(this.#best)
  }

  #finish(ended: HedgedEnd<T>): void {
    // The first attempt lost, so it takes at least this long.
    if (this.#running.has(1) && this.#isSuccess(ended)) this.#call.onFirstLatency(performance.now() - this.#startedAt)
    this.#end(lost)
    if ('error' in ended) this.#reject(ended.error)
    else this.#resolve(ended.value as T)
    if (this.#best && this.#best !== ended) this.#drop(this.#best)
  }

  #end(reason: SdError): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#stopStarting()
    this.#call.signal?.removeEventListener('abort', this.#onAbort)
    for (const controller of this.#running.values()) controller.abort(reason)
  }
}
