import { type Endpoint, publishTelemetry, type SdError } from '@sd/core'
import type { CallFrame } from './call-frame.ts'

/** An exchange that has ended. */
interface EndedExchange {
  readonly endpoint: Endpoint
  readonly startedAt: number
  readonly status: number | undefined
  readonly grpcStatus: number | undefined
  readonly error: SdError | undefined
  readonly latencyMs: number | undefined
}

/** Publishes the end of an attempt. */
export function publishAttemptEnd(
  { call, attempt: attempts }: { readonly call: CallFrame; readonly attempt: number },
  { endpoint, startedAt, status, grpcStatus, error, latencyMs }: EndedExchange,
): void {
  publishTelemetry('sd:v1:attempt:end', {
    call,
    status,
    grpcStatus,
    error,
    durationMs: performance.now() - startedAt,
    attempts,
    instanceId: endpoint.instance.id,
    origin: endpoint.origin,
    latencyMs,
  })
}
