import type { CallContext, OutcomeOrigin, SdError, TelemetryCall } from '@sd/core'
import type { CallRecorder } from './explanation.ts'
import type { PreparedBody } from './request-body.ts'
import type { ServiceEntry } from './service-entries.ts'
import type { Transport } from './transport.ts'

/** What a call's rounds, attempts and exchanges see of it. */
export interface CallFrame extends CallContext, TelemetryCall {
  readonly path: string
  /** The service, with its cluster, settings and policies. */
  readonly entry: ServiceEntry
  /** Sends requests. */
  readonly transport: Transport
  /** What consistent hashing hashes. */
  readonly hashKey: string | undefined
  /** Most bytes that are read of the response as a whole. */
  readonly maxResponseBytes: number
  /** Limit of each attempt of this call until the head of its response, in milliseconds; 0 for none, `undefined` for that of the service. */
  readonly attemptTimeoutMs: number | undefined
  /** Takes notes, if the caller wants them. */
  readonly recorder: CallRecorder | undefined
  /** The body, ready to be sent: made of what the interceptors left. @throws SdError `SD_INVALID` if it can't be sent */
  readonly request: PreparedBody
  /** Why the call was stopped: deadline, caller, client closed. */
  readonly stopped: SdError | undefined
  /** Whether a body that can be read only once was handed to a peer. */
  isBodyUsed: boolean
  /** The first exchange: judges whose doing it is that the deadline is over. */
  firstExchange: { judgeDeadline(): OutcomeOrigin } | undefined
  /** Attempts so far. */
  attempts: number
}
