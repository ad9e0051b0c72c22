import { abortError, judgeLimit, type Permit, readStandstillMs, SdError } from '@sd/core'
import type { Place, WaitQueue } from './wait-queue.ts'

/** A call that waits for a place. */
export interface Waiter {
  /** Ends the wait with a place. */
  admit(permit: Permit): void
  /** Ends the wait with an error. */
  refuse(error: SdError): void
}

/** Options of {@link waitForPlace}. */
export interface PlaceWait {
  /** Queue to join. */
  readonly queue: WaitQueue<Waiter>
  /** The caller's signal. */
  readonly signal: AbortSignal | undefined
  /** Timeout in milliseconds. Time for which this process is blocked is excluded. */
  readonly timeoutMs: number
  /** Name of the limit, for messages. */
  readonly what: string
  /** Called on timeout. */
  readonly onTimeout: () => void
  /** Called when the signal aborts. */
  readonly onAbort: () => void
}

/** The time for which this process was not blocked, by `performance.now()`. */
function usedMs(): number {
  const now = performance.now()
  return now - readStandstillMs(now)
}

/** Waits in a queue for a place. Rejects on timeout, or when the signal aborts. */
export function waitForPlace({ queue, signal, timeoutMs, what, onTimeout, onAbort }: PlaceWait): Promise<Permit> {
  return new Promise((resolve, reject) => {
    const startedAt = usedMs()
    let timer: ReturnType<typeof setTimeout> | undefined
    let isOver = false
    function startTimer(leftMs: number): void {
      const dueAt = performance.now() + leftMs
      timer = setTimeout(() => judgeLimit(dueAt, performance.now(), judge), leftMs)
    }
    function judge(): void {
      if (isOver) return
      const leftMs = timeoutMs - (usedMs() - startedAt)
      // Timers truncate fractions.
      if (leftMs >= 1) startTimer(leftMs)
      else refuseLate()
    }
    function refuseLate(): void {
      onTimeout()
      waiter.refuse(new SdError('SD_REJECTED', `${what} had no free place within ${timeoutMs} ms`))
    }
    const abort = (): void => {
      onAbort()
      waiter.refuse(abortError(signal as AbortSignal, `waiting for ${what}`))
    }
    startTimer(timeoutMs)
    signal?.addEventListener('abort', abort, { once: true })
    function leave(): void {
      isOver = true
      place.leave()
      clearTimeout(timer)
      signal?.removeEventListener('abort', abort)
    }
    const waiter: Waiter = {
      admit(permit) {
        leave()
        resolve(permit)
      },
      refuse(error) {
        leave()
        reject(error)
      },
    }
    const place: Place<Waiter> = queue.join(waiter)
  })
}
