import type { Endpoint, EndpointView, HeaderFields, ResponseVerdict, SdError, ServiceInstance } from '@sd/core'
import type { PushedBody } from '../message/pushed-body.ts'
import type { RawHeaders } from '../message/raw-headers.ts'

/** Extra parts of a forwarded call; see `ServiceClient.forward`. */
export interface ForwardParts {
  /** The header fields as received. */
  readonly raw: RawHeaders
  /** The body, if it is pushed. */
  readonly pushed: PushedBody | undefined
  /** Protocol to upgrade to. */
  readonly upgrade: string | undefined
  /** Whether the remaining time is sent downstream. */
  readonly sendsDeadline: boolean
  /** Fields that tell the instance the remaining time of an attempt. */
  deadlineFields(remainingMs: number): readonly string[]
  /** Whether an instance may be picked. */
  filter(instance: ServiceInstance): boolean
  /** The endpoint of the first attempt, if the request prefers one that may be picked. */
  preferred(view: EndpointView): Endpoint | undefined
  /** Judges an exchange that ended: whether it is a failure of the instance. */
  judge(head: ResponseHead, tail: RawTail): ResponseVerdict
  /** The deadline has passed. @returns the error that ends the call, or `undefined` if the deadline was moved */
  onDeadline(): SdError | undefined
  /** A 1xx response arrived. */
  onInformation(status: number, rawHeaders: readonly string[]): void
  /** A pushed body may continue. */
  onDrain(): void
}

/** The head of a response. */
export interface ResponseHead {
  /** HTTP status. */
  readonly status: number
  /** Header fields, names in lower case. */
  readonly headers: HeaderFields
}

/** Source of trailer fields after the end of the body; they are created on access. */
export interface RawTail {
  /** Names and values in turn. */
  readonly rawTrailers: readonly string[]
}
