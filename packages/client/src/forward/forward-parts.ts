import type { HeaderFields, ResponseVerdict, SdError, ServiceInstance } from '@sd/core'
import type { PushedBody } from '../message/pushed-body.ts'
import type { RawHeaders } from '../message/raw-headers.ts'

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
