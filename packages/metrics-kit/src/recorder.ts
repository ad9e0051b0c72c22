import type { MetricSink } from './metric-sink.ts'
import type { RecorderOptions } from './options.ts'
import { recordCalls } from './record-calls.ts'
import { recordComponents } from './record-components.ts'
import { recordGateways } from './record-gateways.ts'
import { recordLocks } from './record-locks.ts'
import { recordStates } from './record-states.ts'
import { createRecorderContext } from './recorder-context.ts'

/**
 * Starts to measure: counts the events that components publish on telemetry channels, and reads their state whenever the sink reads
 * values.
 *
 * @returns a function that stops. Idempotent
 * @throws the error of the sink, after it has stopped
 */
export function recordTelemetry(sink: MetricSink, options: RecorderOptions): () => void {
  const ends: (() => void)[] = []
  function close(): void {
    for (const end of ends.splice(0)) end()
  }
  try {
    const context = createRecorderContext(sink, options, (end) => ends.push(end))
    recordCalls(context)
    recordComponents(context)
    recordLocks(context)
    recordGateways(context)
    recordStates(context)
    return close
  } catch (error) {
    close()
    throw error
  }
}
