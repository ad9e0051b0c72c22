import { hasTelemetrySubscribers, publishTelemetry, toSdError } from '@sd/core'

/** One operation on a backend. */
export interface BackendOperation {
  /** Name of the registry, configuration source or lock. */
  readonly backend: string
  /** Such as `getInstances`. */
  readonly operation: string
  /** Which service, where there is one. */
  readonly service?: string
}

/**
 * Runs one operation on a backend and publishes how long it took and how it failed. Whatever it throws that is no `SdError` yet
 * becomes `SD_UNAVAILABLE`.
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
