import type { CallContext, HeaderFields, OutcomeOrigin, ResponseVerdict, SdError, ServiceInstance, TelemetryCall } from '@sd/core'
import type { CallRecorder } from './explanation.ts'
import type { PushedBody } from './pushed-body.ts'
import type { RawHeaders } from './raw-headers.ts'
import type { PreparedBody } from './request-body.ts'
import type { ServiceEntry } from './service-entry.ts'
import type { Transport } from './transport.ts'

/** What a forwarded call has beside; see `ServiceClient.forward`. */
export interface ForwardParts {
  /** The header fields as they came. */
  readonly raw: RawHeaders
  /** The body, if it is pushed. */
  readonly pushed: PushedBody | undefined
  /** Protocol to upgrade to. */
  readonly upgrade: string | undefined
  /** Whether what is left of the deadline is sent downstream. */
  readonly sendsDeadline: boolean
  /** Whether an instance may be picked. */
  filter(instance: ServiceInstance): boolean
  /** What an exchange that came to its end says of the instance. */
  judge(head: ResponseHead, tail: RawTail): ResponseVerdict
  /** The deadline is over. @returns the error that ends the call, `undefined` if the deadline was moved */
  onDeadline(): SdError | undefined
  /** A 1xx response came. */
  onInformation(status: number, rawHeaders: readonly string[]): void
  /** A pushed body may go on. */
  onDrain(): void
}

/** The head of a response. */
export interface ResponseHead {
  /** HTTP status. */
  readonly status: number
  /** Header fields, names in lower case. */
  readonly headers: HeaderFields
}

/** What has trailer fields, once its body has ended: they are made when they are asked for. */
export interface RawTail {
  /** Names and values in turn. */
  readonly rawTrailers: readonly string[]
}

/** An exchange whose response must come until a limit. */
export interface LimitedExchange {
  /** When it began, by `performance.now()`. */
  readonly startedAt: number
  /** Whether it is still to have a response. */
  readonly isWaiting: boolean
  /** Its limit is over. */
  onLimit(): void
}

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
  /** Of a forwarded call. */
  readonly forward: ForwardParts | undefined
  /** The header fields, if anybody has asked for them by name. */
  readonly changedHeaders: Record<string, string> | undefined
  /** Takes notes, if the caller wants them. */
  readonly recorder: CallRecorder | undefined
  /** The body, ready to be sent: made of what the interceptors left. @throws SdError `SD_INVALID` if it can't be sent */
  readonly request: PreparedBody
  /** Why the call was stopped: deadline, caller, client closed. */
  readonly stopped: SdError | undefined
  /** Whether a body that can be read only once was handed to a peer. */
  isBodyUsed: boolean
  /**
   * Takes a limit into the timer of the call, so that most attempts need none of their own.
   *
   * @param limitAt when it is over, by `performance.now()`
   * @returns false if it takes none now
   */
  watchLimit(exchange: LimitedExchange, limitAt: number): boolean
  /** The first exchange: judges whose doing it is that the deadline is over. */
  firstExchange: { judgeDeadline(): OutcomeOrigin } | undefined
  /** Attempts so far. */
  attempts: number
}
