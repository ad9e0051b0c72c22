import { EventEmitter } from 'node:events'
import type { CircuitEngine, CircuitEngineSettings } from '@sd/core'
import Opossum from 'opossum'

/** Lets opossum hold the circuit: its states, its timer of the open time, its `halfOpen` event. */
export function createOpossumEngine({ name, openMs, onHalfOpen }: CircuitEngineSettings): CircuitEngine {
  const circuit = new Opossum(async () => undefined, {
    name,
    resetTimeout: openMs,
    timeout: false,
    // Its statistics are not asked for. An emitter that never emits spares the interval that would rotate them.
    rollingCountBuckets: 1,
    rollingPercentilesEnabled: false,
    enableSnapshots: false,
    rotateBucketController: new EventEmitter(),
  })
  circuit.on('halfOpen', onHalfOpen)
  return {
    open() {
      // Of an open circuit opossum would go on with the old open time.
      circuit.close()
      circuit.open()
    },
    close: () => circuit.close(),
  }
}
