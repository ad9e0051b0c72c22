import { diag } from '@opentelemetry/api'
import { describeThrown } from '@sd/core'

/**
 * Runs tracing code. An exception in a sampler, processor or propagator must not fail a call or a served request; it is reported
 * to the diagnostic logger of OpenTelemetry.
 *
 * @returns the result of `work`, `undefined` if it throws
 */
export function safely<T>(work: () => T): T | undefined {
  try {
    return work()
  } catch (error) {
    try {
      diag.error(`@sd/tracing-opentelemetry: ${describeThrown(error)}`)
    } catch {
      // The logger throws too, so the error can't be reported.
    }
    return undefined
  }
}
