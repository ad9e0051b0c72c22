import type { CallPriority, RequestBody } from '@sd/core'
import type { ForwardParts } from '../forward/forward-parts.ts'
import type { ServiceEntry } from '../services/service-entry.ts'
import type { Transport } from '../transport/transport.ts'
import type { CallRecorder } from './explanation.ts'
import type { OpenCalls } from './open-calls.ts'

/** What a call is made of. */
export interface CallInit {
  /** The service, with its cluster, settings and policies. */
  readonly entry: ServiceEntry
  /** Sends requests. */
  readonly transport: Transport
  /** The client's calls under way. */
  readonly openCalls: OpenCalls
  /** HTTP method in upper case. */
  readonly method: string
  /** Path with query. */
  readonly path: string
  /** Header fields, names in lower case. */
  readonly headers: Record<string, string>
  /** The body as the caller gave it. */
  readonly body?: RequestBody | undefined
  /** When the call must have ended, by `performance.now()`; `Infinity` for never. */
  readonly deadlineAt: number
  /** Limit of each attempt of this call until the head of its response, in milliseconds; 0 for none, `undefined` for that of the service. */
  readonly attemptTimeoutMs?: number | undefined
  /** How much it matters to concurrency limits. */
  readonly priority?: CallPriority | undefined
  /** Whether it may be sent twice whatever its method; `undefined` for what the service says. */
  readonly idempotent?: boolean | undefined
  /** When it began, by `performance.now()`. @default now */
  readonly startedAt?: number | undefined
  /** The caller's signal. */
  readonly signal?: AbortSignal | undefined
  /** What consistent hashing hashes. */
  readonly hashKey?: string | undefined
  /** Most bytes that are read of the response as a whole. */
  readonly maxResponseBytes: number
  /** Takes notes, if the caller wants them. */
  readonly recorder?: CallRecorder | undefined
  /** Of a forwarded call; then `headers` are not in effect. */
  readonly forward?: ForwardParts | undefined
}
