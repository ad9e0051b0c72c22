import type { CircuitEngine, CircuitEngineSettings } from '@sd/breaker-kit'
import { circuitBreaker, handleAll, type IBackoff } from 'cockatiel'

/** Cockatiel's wall clock may lag a little behind the timer. If it was set back, an hour perhaps, it is not waited for. */
const clockProbes = 10

/** Lets cockatiel hold the circuit: its states, its open time, its half-open trial, its isolation. */
export function createCockatielEngine({ onHalfOpen }: CircuitEngineSettings): CircuitEngine {
  let timer: ReturnType<typeof setTimeout> | undefined
  /** The open time that begins next. */
  let openMs = 1
  const openTime: IBackoff<unknown> = {
    get duration() {
      return openMs
    },
    next: () => openTime,
  }
  const circuit = circuitBreaker(handleAll, {
    halfOpenAfter: openTime,
    breaker: { state: undefined, success() {}, failure: () => true },
  })

  function closeNow(): void {
    clearTimeout(timer)
    // The one way to close from every state, and at once; it also drops what an unfinished trial may say.
    circuit.isolate().dispose()
  }
  /** Cockatiel becomes half-open only when it is called. It calls the function at once if it does. */
  function becomesHalfOpen(): boolean {
    let admitted = false
    const trial = circuit.execute(() => {
      admitted = true
      // The one trial that cockatiel knows lasts as long as ours: until the circuit is opened or closed.
      return new Promise<never>(() => undefined)
    })
    trial.catch(() => undefined)
    return admitted
  }
  function probeIn(delayMs: number, probesLeft: number): void {
    timer = setTimeout(() => {
      if (becomesHalfOpen() || probesLeft === 0) onHalfOpen()
      else probeIn(1, probesLeft - 1)
    }, delayMs)
    timer.unref?.()
  }

  return {
    open(forMs) {
      closeNow()
      openMs = forMs
      circuit.execute(() => Promise.reject(new Error('open'))).catch(() => undefined)
      probeIn(openMs, clockProbes)
    },
    close: closeNow,
  }
}
