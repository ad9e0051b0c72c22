import { EventEmitter } from 'node:events'
import type { CircuitEngine, CircuitEngineSettings } from '@sd/breaker-kit'
import Opossum from 'opossum'

/** Lets opossum hold the circuit: its states, the timer of its open time, and its `halfOpen` event. */
export function createOpossumEngine({ name, onHalfOpen }: CircuitEngineSettings): CircuitEngine {
  const options: Opossum.Options = {
    name,
    timeout: false,
    // Opossum's statistics are not used. An emitter that never emits avoids the interval that would rotate them.
    rollingCountBuckets: 1,
    rollingPercentilesEnabled: false,
    enableSnapshots: false,
    rotateBucketController: new EventEmitter(),
  }
  const circuit = new Opossum(async () => undefined, options)
  circuit.on('halfOpen', onHalfOpen)
  return {
    open(forMs) {
      // If the circuit is open, opossum would keep the old open time. It reads this option each time it opens.
      circuit.close()
      options.resetTimeout = forMs
      circuit.open()
    },
    close: () => circuit.close(),
  }
}
