import type { CallPriority, CallResponse, RequestBody, ResponseVerdict, ServiceInstance } from '@sd/core'
import type { OpenCalls } from '../call/open-calls.ts'
import type { PushedBody } from '../message/pushed-body.ts'
import type { RawHeaders } from '../message/raw-headers.ts'
import type { ServiceEntry } from '../services/service-entry.ts'
import type { Transport } from '../transport/transport.ts'
import type { ForwardHandler } from './forward.ts'
import type { ResponseHead } from './forward-parts.ts'

/** What forwarding shares with its client. */
export interface ForwardContext {
  /** Sends requests. */
  readonly transport: Transport
  /** The service of that name, or its operation. */
  readonly entryOf: (service: string, method?: string, path?: string) => ServiceEntry
  /** The client's calls under way. */
  readonly openCalls: OpenCalls
  /** Most bytes that are read of a response as a whole. */
  readonly maxResponseBytes: number
}

/** Time limits in milliseconds, 0 for none. */
export interface ForwardLimits {
  /** Until the head of the response. */
  readonly headTimeoutMs: number
  /** Between two parts of the response. */
  readonly idleTimeoutMs: number
  /** For the whole. */
  readonly maxDurationMs: number
  /** When the whole must have ended, by `performance.now()`. @default never */
  readonly deadlineAt?: number | undefined
}

/** A checked request. */
export interface ForwardInit {
  readonly entry: ServiceEntry
  readonly method: string
  readonly path: string
  readonly rawHeaders: RawHeaders
  /** The body, if it is pushed. */
  readonly pushed?: PushedBody | undefined
  /** The body, if it is there as a whole. */
  readonly body?: RequestBody | undefined
  readonly upgrade?: string | undefined
  readonly hashKey?: string | undefined
  readonly filter?: ((instance: ServiceInstance) => boolean) | undefined
  readonly judge?: ((head: ResponseHead, rawTrailers: readonly string[]) => boolean | ResponseVerdict) | undefined
  readonly priority?: CallPriority | undefined
  readonly idempotent?: boolean | undefined
  /** Sends it instead of the client's transport. */
  readonly transport?: Transport | undefined
  readonly limits: ForwardLimits
}

/** What has raw header fields: some are made when they are asked for. */
export interface RawHead {
  /** Names and values in turn. */
  readonly rawHeaders: readonly string[]
}

/** A handler of the client's own: it takes the head as the call has it, which spares it the raw fields. */
export interface HeadHandler extends Omit<ForwardHandler, 'onResponse'> {
  /** The head of the response came. */
  onHead(response: CallResponse, raw: RawHead): void
}
