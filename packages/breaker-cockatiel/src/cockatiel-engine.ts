import type { CircuitEngine, CircuitEngineSettings } from '@sd/breaker-kit'
import { circuitBreaker, handleAll, type IBackoff } from 'cockatiel'

/**
 * Cockatiel's wall clock may lag slightly behind the timer, so poll it a few times. If the clock was set back, do not wait
 * for it.
 */
const clockProbes = 10

/** Lets cockatiel hold the circuit: its states, open time, half-open trial and isolation. */
export function createCockatielEngine({ onHalfOpen }: CircuitEngineSettings): CircuitEngine {
  let timer: ReturnType<typeof setTimeout> | undefined
  /** Duration of the next open time, in milliseconds. */
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
    // Isolating is the only way to close at once from every state. It also discards the result of an unfinished trial.
    circuit.isolate().dispose()
  }
  /** Cockatiel becomes half-open only when it is called. If it does, it calls the function synchronously. */
  function becomesHalfOpen(): boolean {
    let admitted = false
    const trial = circuit.execute(() => {
      admitted = true
      // Cockatiel's single trial lasts as long as ours: until the circuit opens or closes.
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
