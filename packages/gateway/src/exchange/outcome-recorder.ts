import type { Endpoint, SdError } from '@sd/core'
import type { ExchangeOutcome } from '../filters/filter.ts'
import type { MirrorCopy } from '../mirror/route-mirror.ts'
import type { TargetSession } from '../routing/compiled-target.ts'

/** Counts and times of an exchange. */
export class OutcomeRecorder {
  bytesIn = 0
  bytesOut = 0
  /** Status of the response that has begun; 0 before. */
  status = 0
  endpoint: Endpoint | undefined
  session: TargetSession | undefined
  mirror: MirrorCopy | undefined
  readonly #startedAt = performance.now()
  #firstByteMs: number | undefined

  /** The response begins. */
  begin(status: number): void {
    this.status = status
    this.#firstByteMs = performance.now() - this.#startedAt
  }

  /** @param status that the client got, or would have got */
  finish(status: number, error: SdError | undefined, grpcStatus: number | undefined): ExchangeOutcome {
    this.mirror?.drop()
    return {
      status,
      grpcStatus,
      error,
      instanceId: this.endpoint?.instance.id,
      durationMs: performance.now() - this.#startedAt,
      firstByteMs: this.#firstByteMs,
      bytesIn: this.bytesIn,
      bytesOut: this.bytesOut,
      affinity: this.session?.outcome,
      mirror: this.mirror?.outcome,
    }
  }
}
