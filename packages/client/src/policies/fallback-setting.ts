import type { CallContext, HeaderFields, SdError } from '@sd/core'

/** A response that needs no service. */
export interface StaticResponse {
  /** HTTP status. @default 200 */
  readonly status?: number
  /** Header fields, names in lower case. @default {} */
  readonly headers?: HeaderFields
  /** The body. Not with `json`. @default empty */
  readonly body?: string | Uint8Array
  /** A value for a JSON body. Not with `body`. */
  readonly json?: unknown
}

/** How a call failed. */
export interface CallFailure {
  /** The error; for a response with a status from 500 on, `SD_HTTP_STATUS`. */
  readonly error: SdError
  /** The status, if a response came. */
  readonly status?: number | undefined
}

/** The response in place of a call that failed. Calls that their caller aborted have none. */
export type CallFallback =
  | {
      /** Always the same response. */
      readonly kind: 'response'
      /** The response. */
      readonly response: StaticResponse
    }
  | {
      /** What a function makes of the failure. */
      readonly kind: 'function'
      /** Returns the response, or `undefined` to let the failure stand. The caller gets what it throws. */
      readonly run: (failure: CallFailure, call: CallContext) => StaticResponse | undefined | Promise<StaticResponse | undefined>
    }
  | {
      /**
       * The last good response to the same GET request: same path, query and key. Those that were read to their end are remembered, and none that RFC 9111
       * keeps from a cache that callers share: no request with `authorization`, `cookie` or another field that tells who asks, no response that is `private`,
       * `no-store`, `no-cache`, to be revalidated, or that varies with fields that differ. With `key` it is for you to tell callers apart, and
       * all of them are. Never parts (`range`, 206). `set-cookie` and fields of the connection are taken off, `age` is added.
       */
      readonly kind: 'last-success'
      /** Oldest response that is given, in milliseconds. @default no limit */
      readonly maxAgeMs?: number
      /** Most responses that are remembered; the one that was used longest ago leaves first. @default 100 */
      readonly maxEntries?: number
      /** Larger bodies are not remembered, in bytes. @default 65_536 */
      readonly maxBytes?: number
      /** Most bytes that are remembered for a service in all. @default 16_777_216 (16 MiB) */
      readonly maxTotalBytes?: number
      /** A response that was not asked for in this time is forgotten, in milliseconds. @default 3_600_000 */
      readonly idleMs?: number
      /** What tells responses to one path apart, such as the user: the name that the caller proved, not one that it sent. @default none, and RFC 9111 */
      readonly key?: (call: CallContext) => string
    }
