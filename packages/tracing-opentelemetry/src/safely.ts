import { diag } from '@opentelemetry/api'
import { describeThrown } from '@sd/core'

/**
 * Runs what belongs to tracing alone. A sampler, processor or propagator that throws must fail neither a call nor a request that is served; it
 * is told to the diagnostic logger of OpenTelemetry.
 *
 * @returns what `work` returns, `undefined` if it throws
 */
export function safely<T>(work: () => T): T | undefined {
  try {
    return work()
  } catch (error) {
    try {
      diag.error(`@sd/tracing-opentelemetry: ${describeThrown(error)}`)
    } catch {
      // The logger throws too: there is nobody left to tell.
    }
    return undefined
  }
}
