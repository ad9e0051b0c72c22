import type { CallPriority, RequestBody } from '@sd/core'
import type { ServiceResponse } from '../message/service-response.ts'
import type { CallExplanation } from './explanation.ts'

/** Options of one call. */
export interface RequestOptions {
  /** Fields to put behind the path's `?`; lists repeat the name. */
  readonly query?: Readonly<Record<string, string | number | boolean | readonly string[]>>
  /** Header fields; they win over those of the client and the service. */
  readonly headers?: Readonly<Record<string, string>>
  /** The body. Not with `json`. */
  readonly body?: RequestBody
  /** A value to send as JSON. Not with `body`. */
  readonly json?: unknown
  /** Time limit from the start until the body has been read, in milliseconds; 0 for none. @default the service's */
  readonly timeoutMs?: number
  /**
   * Time limit of each attempt until the head of its response, in milliseconds; 0 for none. In effect also where the request can't be repeated.
   *
   * @default the service's
   */
  readonly attemptTimeoutMs?: number
  /** When the request that this call is made for must have its response, from `readDeadline`. The earlier of this and `timeoutMs` is in effect. */
  readonly deadlineAt?: number | undefined
  /** Aborts the call, whatever phase it is in. */
  readonly signal?: AbortSignal | undefined
  /** What a consistent-hashing balancer hashes, such as a user id. */
  readonly hashKey?: string
  /**
   * How much it matters to concurrency limits, here and downstream (`x-request-priority`): `batch` gets half of the places and never waits for one,
   * `critical` all of them, `default` nine tenths. `readPriority` reads that of a request. @default none: all places
   */
  readonly priority?: CallPriority | undefined
  /** As the setting `idempotent`, for this call. @default the service's */
  readonly idempotent?: boolean
  /** Told, when the call has ended, which endpoints were kept or dropped and by which rule, and what happened. `formatExplanation` makes text of it. */
  readonly explain?: (explanation: CallExplanation) => void
}

/** Options of a call whose method is not in the name. */
export interface MethodRequestOptions extends RequestOptions {
  /** HTTP method. @default 'GET' */
  readonly method?: string
}

/** Calls a path of a service. */
export type ServiceCall<Options = RequestOptions> = (service: string, path: string, options?: Options) => Promise<ServiceResponse>
