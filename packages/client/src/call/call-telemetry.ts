import { type Endpoint, hasTelemetrySubscribers, publishTelemetry, type SdError, type TelemetryEvents } from '@sd/core'
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
  if (!hasTelemetrySubscribers('sd:v1:attempt:end')) return
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

/** Publishes the end of a call. */
export function publishCallEnd(
  call: CallFrame,
  end: Pick<TelemetryEvents['sd:v1:call:end'], 'status' | 'grpcStatus' | 'error' | 'attempts'>,
): void {
  if (!hasTelemetrySubscribers('sd:v1:call:end')) return
  publishTelemetry('sd:v1:call:end', { call, ...end, durationMs: performance.now() - call.startedAt })
}
