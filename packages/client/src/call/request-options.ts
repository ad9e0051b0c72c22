import type { CallPriority, RequestBody } from '@sd/core'
import type { ServiceResponse } from '../message/service-response.ts'
import type { CallExplanation } from './explanation.ts'

/** Options of one call. */
export interface RequestOptions {
  /** Query fields, appended to the path; an array repeats the name. */
  readonly query?: Readonly<Record<string, string | number | boolean | readonly string[]>>
  /** Header fields; they override those of the client and the service. */
  readonly headers?: Readonly<Record<string, string>>
  /** The body. Not with `json`. */
  readonly body?: RequestBody
  /** A value to send as JSON. Not with `body`. */
  readonly json?: unknown
  /** Time limit from the start until the body has been read, in milliseconds; 0 for no limit. @default the service's */
  readonly timeoutMs?: number
  /**
   * Time limit of each attempt until the head of its response, in milliseconds; 0 for no limit. It also applies if the
   * request can't be repeated.
   *
   * @default the service's
   */
  readonly attemptTimeoutMs?: number
  /** Deadline of the request that this call is made for, from `readDeadline`. The earlier of this and `timeoutMs` applies. */
  readonly deadlineAt?: number | undefined
  /** Aborts the call in any phase. */
  readonly signal?: AbortSignal | undefined
  /** What a consistent-hashing balancer hashes, such as a user id. */
  readonly hashKey?: string
  /**
   * Importance for concurrency limits, here and downstream (`x-request-priority`): `batch` gets half of the places and
   * never waits for one, `default` nine tenths, `critical` all of them. `readPriority` reads that of an incoming
   * request. @default none: all places
   */
  readonly priority?: CallPriority | undefined
  /** The setting `idempotent` for this call. @default the service's */
  readonly idempotent?: boolean
  /**
   * Called when the call has ended, with the endpoints, the rules that kept or dropped them, and every step. See
   * `formatExplanation`.
   */
  readonly explain?: (explanation: CallExplanation) => void
}

/** Options of `request`, which takes the method as an option. */
export interface MethodRequestOptions extends RequestOptions {
  /** HTTP method. @default 'GET' */
  readonly method?: string
}

/** Calls a path of a service. */
export type ServiceCall<Options = RequestOptions> = (service: string, path: string, options?: Options) => Promise<ServiceResponse>
