import { hasTelemetrySubscribers, publishTelemetry, toSdError } from '@sd/core'

/** One operation on a backend. */
export interface BackendOperation {
  /** Name of the registry, configuration source or lock. */
  readonly backend: string
  /** For example `getInstances`. */
  readonly operation: string
  /** Name of the service, if the operation has one. */
  readonly service?: string
}

/**
 * Runs one operation on a backend and publishes its duration and error. Errors that are not an `SdError` become
 * `SD_UNAVAILABLE`.
 */
export async function observeOperation<T>(what: BackendOperation, run: () => Promise<T> | T): Promise<T> {
  const startedAt = performance.now()
  try {
    const result = await run()
    if (hasTelemetrySubscribers('sd:v1:backend:operation')) {
      publishTelemetry('sd:v1:backend:operation', { ...what, durationMs: performance.now() - startedAt })
    }
    return result
  } catch (caught) {
    const error = toSdError(caught, 'SD_UNAVAILABLE', `${what.backend} ${what.operation}`)
    publishTelemetry('sd:v1:backend:operation', { ...what, durationMs: performance.now() - startedAt, error })
    throw error
  }
}
