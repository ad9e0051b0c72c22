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

/** A peer that asks for more is not asked again. */
const longestServerDelayMs = 30_000
/** Ends the attempts that lost. Once for all: an error takes a stack trace, and most calls have nothing to end. */
const lost = new SdError('SD_ABORTED', 'Another attempt answered first')

/** Who may start, and who wins. */
export interface HedgeRules<T>
  extends Pick<ResolvedHedgeOptions<T>, 'maxAttempts' | 'isFinal' | 'serverDelayMs' | 'discard' | 'onHedge'> {
  /** What further attempts are taken from. */
  readonly budget: Pick<RetryBudget, 'tryWithdraw'>
  /** Whether there is anywhere for another attempt to go. @default always */
  readonly canStart?: (() => boolean) | undefined
  /** What an end says of the peer. @default a value is a success */
  readonly outcomeOf?: ((ended: HedgedEnd<T>) => Outcome) | undefined
}

/** What one execution is made of. */
export interface HedgedCall<T> {
  /** Makes an attempt. */
  readonly run: (attempt: HedgedAttempt) => Promise<T>
  /** Who may start, and who wins. */
  readonly rules: HedgeRules<T>
  /** Wait before each further attempt, in milliseconds. */
  readonly delayMs: number
  /** The caller's signal. */
  readonly signal: AbortSignal | undefined
  /** Told how long the first attempt took, or at least takes: it is told too when that one is aborted because another won. */
  readonly onFirstLatency: (latencyMs: number) => void
}

/** Runs one execution: starts attempts by timer and by failure, takes the first answer, aborts the others. */
export function runHedged<T>({ run, rules, delayMs, signal, onFirstLatency }: HedgedCall<T>): Promise<T> {
  const { maxAttempts, budget, isFinal, serverDelayMs, discard, onHedge, canStart, outcomeOf } = rules
  return new Promise<T>((resolve, reject) => {
    if (signal?.aborted) return reject(abortError(signal, 'hedged call'))
    const running = new Map<number, AbortController>()
    const startedAt = performance.now()
    let started = 0
    let isOver = false
    let mayStart = true
    let timer: ReturnType<typeof setTimeout> | undefined
    let dueAtMs = 0
    let best: HedgedEnd<T> | undefined

    function start(): void {
      const attempt = ++started
      const controller = new AbortController()
      running.set(attempt, controller)
      mayStart &&= attempt < maxAttempts
      schedule(delayMs)
      // An async function, so that what throws at once ends like any other attempt.
      const invoke = async (): Promise<T> => run({ attempt, signal: controller.signal })
      invoke().then(
        (value) => onEnd({ attempt, value }),
        (error: unknown) => onEnd({ attempt, error }),
      )
    }

    function schedule(afterMs: number): void {
      clearTimeout(timer)
      if (!mayStart) return
      dueAtMs = (started === 1 ? startedAt : performance.now()) + afterMs
      timer = setTimeout(onTimer, afterMs)
    }

    function onTimer(): void {
      judgeLimit(dueAtMs, performance.now(), startIfSlow)
    }

    /** After a standstill of this process, the answers that came in meanwhile have been read by now. */
    function startIfSlow(): void {
      if (!isOver && mayStart) startAnother()
    }

    function startAnother(): void {
      guard(() => {
        if (canStart?.() === false || !budget.tryWithdraw()) {
          stopStarting()
          return finishIfLast()
        }
        onHedge({ attempt: started + 1, afterMs: performance.now() - startedAt })
        start()
      })
    }

    function onEnd(ended: HedgedEnd<T>): void {
      running.delete(ended.attempt)
      guard(() => (isOver ? drop(ended) : judge(ended)))
    }

    function judge(ended: HedgedEnd<T>): void {
      if (ended.attempt === 1 && isSuccess(ended)) onFirstLatency(performance.now() - startedAt)
      if (isFinal(ended)) finish(ended)
      else {
        keep(ended)
        const askedMs = serverDelayMs(ended) ?? 0
        if (askedMs < 0 || askedMs > longestServerDelayMs) stopStarting()
        if (!mayStart) finishIfLast()
        else if (askedMs > 0) schedule(askedMs)
        else startAnother()
      }
    }

    /** Whether it tells how long answers take: a failure that comes at once, or a mistake of the caller, does not. */
    function isSuccess(ended: HedgedEnd<T>): boolean {
      const outcome = outcomeOf?.(ended) ?? { ok: !('error' in ended), error: ended.error }
      return judgeOutcome(outcome) === 'success'
    }

    /** Runs what calls the functions of the options: what they throw is for the caller, while there is one. */
    function guard(step: () => void): void {
      try {
        step()
      } catch (error) {
        end(new SdError('SD_ABORTED', 'The hedged call failed'))
        reject(error)
      }
    }

    function stopStarting(): void {
      mayStart = false
      clearTimeout(timer)
    }

    /** Of ends that are no answer the last value is handed out, or else the last error. */
    function keep(ended: HedgedEnd<T>): void {
      if (best && 'error' in ended && !('error' in best)) return
      if (best) drop(best)
      best = ended
    }

    function drop(ended: HedgedEnd<T>): void {
      if (!('error' in ended)) guard(() => discard(ended.value as T))
    }

    function finishIfLast(): void {
      if (running.size === 0 && best) finish(best)
    }

    function finish(ended: HedgedEnd<T>): void {
      // The first attempt takes that long at least, since it lost against an answer.
      if (running.has(1) && isSuccess(ended)) onFirstLatency(performance.now() - startedAt)
      end(lost)
      if ('error' in ended) reject(ended.error)
      else resolve(ended.value as T)
      if (best && best !== ended) drop(best)
    }

    function end(reason: SdError): void {
      if (isOver) return
      isOver = true
      stopStarting()
      signal?.removeEventListener('abort', onAbort)
      for (const controller of running.values()) controller.abort(reason)
    }

    function onAbort(): void {
      const reason = abortError(signal as AbortSignal, 'hedged call')
      end(reason)
      reject(reason)
      if (best) drop(best)
    }

    signal?.addEventListener('abort', onAbort, { once: true })
    start()
  })
}
