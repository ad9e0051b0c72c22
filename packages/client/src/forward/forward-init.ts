import type { CallPriority, CallResponse, Endpoint, RequestBody, ResponseVerdict, ServiceInstance } from '@sd/core'
import type { OpenCalls } from '../call/open-calls.ts'
import type { PushedBody } from '../message/pushed-body.ts'
import type { RawHeaders } from '../message/raw-headers.ts'
import type { ServiceEntry } from '../services/service-entry.ts'
import type { Transport } from '../transport/transport.ts'
import type { ForwardHandler } from './forward.ts'
import type { ResponseHead } from './forward-parts.ts'

/** The parts of the client that forwarding uses. */
export interface ForwardContext {
  /** Sends requests. */
  readonly transport: Transport
  /** Finds the service of that name, or its operation. */
  readonly entryOf: (service: string, method?: string, path?: string) => ServiceEntry
  /** The client's calls in progress. */
  readonly openCalls: OpenCalls
  /** Most bytes that are read of a whole response. */
  readonly maxResponseBytes: number
}

/** Time limits in milliseconds, 0 for no limit. */
export interface ForwardLimits {
  /** Until the head of the response. */
  readonly headTimeoutMs: number
  /** Between two chunks of the response. */
  readonly idleTimeoutMs: number
  /** For the whole exchange. */
  readonly maxDurationMs: number
  /** Deadline of the whole exchange, by `performance.now()`. @default never */
  readonly deadlineAt?: number | undefined
}

/** A validated request. */
export interface ForwardInit {
  readonly entry: ServiceEntry
  readonly method: string
  readonly path: string
  readonly rawHeaders: RawHeaders
  /** The body, if it is pushed. */
  readonly pushed?: PushedBody | undefined
  /** The body, if it is passed complete. */
  readonly body?: RequestBody | undefined
  readonly upgrade?: string | undefined
  readonly hashKey?: string | undefined
  readonly filter?: ((instance: ServiceInstance) => boolean) | undefined
  readonly prefer?: ((endpoints: readonly Endpoint[]) => Endpoint | undefined) | undefined
  readonly judge?: ((head: ResponseHead, rawTrailers: readonly string[]) => boolean | ResponseVerdict) | undefined
  readonly priority?: CallPriority | undefined
  readonly idempotent?: boolean | undefined
  /** Sends the request instead of the client's transport. */
  readonly transport?: Transport | undefined
  readonly deadlineFields?: ((remainingMs: number) => readonly string[]) | undefined
  readonly limits: ForwardLimits
}

/** Source of raw header fields; some are created on access. */
export interface RawHead {
  /** Names and values in turn. */
  readonly rawHeaders: readonly string[]
}

/** A handler inside the client: it takes the parsed head, which avoids creating the raw fields. */
export interface HeadHandler extends Omit<ForwardHandler, 'onResponse'> {
  /** The head of the response arrived. */
  onHead(response: CallResponse, raw: RawHead): void
}
