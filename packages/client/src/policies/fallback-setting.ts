import type { CallContext, HeaderFields, SdError } from '@sd/core'

/** A response that does not need the service. */
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

/** The failure of a call. */
export interface CallFailure {
  /** The error; for a response with a status of 500 or above, `SD_HTTP_STATUS`. */
  readonly error: SdError
  /** The status, if there was a response. */
  readonly status?: number | undefined
}

/** Response that replaces a failed call. Calls that their caller aborted have none. */
export type CallFallback =
  | {
      /** The same response every time. */
      readonly kind: 'response'
      /** The response. */
      readonly response: StaticResponse
    }
  | {
      /** The response that a function returns. */
      readonly kind: 'function'
      /** Returns the response, or `undefined` to keep the failure. The caller receives the exceptions that it throws. */
      readonly run: (failure: CallFailure, call: CallContext) => StaticResponse | undefined | Promise<StaticResponse | undefined>
    }
  | {
      /**
       * The last good response to the same GET request: same path, query and key. Responses that were read to their end
       * are remembered, except those that RFC 9111 keeps out of a shared cache: no request with `authorization`,
       * `cookie` or another field that identifies the caller, no response that is `private`, `no-store`, `no-cache`,
       * must be revalidated, or varies with fields that differ. With `key` you separate callers yourself, and all of
       * these are remembered. Partial responses (`range`, 206) never are. `set-cookie` and connection fields are
       * removed, `age` is added.
       */
      readonly kind: 'last-success'
      /** Maximum age of a response, in milliseconds. @default no limit */
      readonly maxAgeMs?: number
      /** Maximum number of responses; the least recently used is dropped first. @default 100 */
      readonly maxEntries?: number
      /** Larger bodies are not remembered, in bytes. @default 65_536 */
      readonly maxBytes?: number
      /** Most bytes that are remembered for a service. @default 16_777_216 (16 MiB) */
      readonly maxTotalBytes?: number
      /** A response that was not used for this time is dropped, in milliseconds. @default 3_600_000 */
      readonly idleMs?: number
      /**
       * Separates responses to one path, for example by user: derive it from the verified identity, not from what the
       * request claims. @default none: RFC 9111 applies
       */
      readonly key?: (call: CallContext) => string
    }
