import type { CallPriority, RequestBody } from '@sd/core'
import type { ForwardParts } from '../forward/forward-parts.ts'
import type { ServiceEntry } from '../services/service-entry.ts'
import type { Transport } from '../transport/transport.ts'
import type { CallRecorder } from './explanation.ts'
import type { OpenCalls } from './open-calls.ts'

/** Input of a call. */
export interface CallInit {
  /** The service, with its cluster, settings and policies. */
  readonly entry: ServiceEntry
  /** Sends requests. */
  readonly transport: Transport
  /** The client's calls in progress. */
  readonly openCalls: OpenCalls
  /** HTTP method in upper case. */
  readonly method: string
  /** Path with query. */
  readonly path: string
  /** Header fields, names in lower case. */
  readonly headers: Record<string, string>
  /** The body as the caller gave it. */
  readonly body?: RequestBody | undefined
  /** Deadline by `performance.now()`; `Infinity` for none. */
  readonly deadlineAt: number
  /** Limit of each attempt until the head of its response, in milliseconds; 0 for none, `undefined` for that of the service. */
  readonly attemptTimeoutMs?: number | undefined
  /** Importance for concurrency limits. */
  readonly priority?: CallPriority | undefined
  /** Whether it may be sent twice whatever its method; `undefined` for the service's setting. */
  readonly idempotent?: boolean | undefined
  /** Start of the call, by `performance.now()`. @default now */
  readonly startedAt?: number | undefined
  /** The caller's signal. */
  readonly signal?: AbortSignal | undefined
  /** Key that consistent hashing hashes. */
  readonly hashKey?: string | undefined
  /** Most bytes that are read of the whole response. */
  readonly maxResponseBytes: number
  /** Records the steps, if the caller requests them. */
  readonly recorder?: CallRecorder | undefined
  /** Present for a forwarded call; then `headers` are not in effect. */
  readonly forward?: ForwardParts | undefined
}
