import { maskText } from './masking/masked-text.ts'
import { describeOldRuntime } from './runtime.ts'

/**
 * Stable error codes. Branch on these, never on a message. All packages use only these codes; your own codes begin with
 * `X_`. The origin is what `originOf` returns for errors that carry none. Codes outside the table have the origin `peer`.
 *
 * | code | meaning | retryable | origin |
 * |---|---|---|---|
 * | `SD_INVALID` | an argument or option is wrong; the message names the field, what it got and what it wants | no | caller |
 * | `SD_CLOSED` | the object was closed | no | local |
 * | `SD_ABORTED` | the caller's signal fired | no | caller |
 * | `SD_TIMEOUT` | one operation took longer than its own limit | yes | peer |
 * | `SD_DEADLINE_EXCEEDED` | the whole call ran out of time | no | caller |
 * | `SD_UNAVAILABLE` | the backend or peer can't be reached, or reported that it can't serve now | yes | network |
 * | `SD_NO_INSTANCE` | a service has no instance that may be called | yes | local |
 * | `SD_DENIED` | credentials are missing, wrong or not sufficient | no | peer |
 * | `SD_NOT_FOUND` | the named thing does not exist | no | peer |
 * | `SD_CONFLICT` | another process holds or changed the same thing | no | peer |
 * | `SD_MALFORMED` | data from outside can't be read | no | peer |
 * | `SD_TOO_LARGE` | data exceeds a limit | no | caller |
 * | `SD_UNSUPPORTED` | the backend, runtime or library can't do this | no | local |
 * | `SD_REJECTED` | a policy (breaker, limit, bulkhead) refused the call | yes | local |
 * | `SD_HTTP_STATUS` | a response had an error status, and the caller asked for an error | from 500 on | peer |
 * | `SD_LISTENER_FAILED` | a listener of the application threw or rejected; only reported, never thrown | no | local |
 * | `SD_MONITOR_FAILED` | a monitor of endpoints threw or rejected; only reported, never thrown | no | local |
 */
export type SdErrorCode =
  | 'SD_INVALID'
  | 'SD_CLOSED'
  | 'SD_ABORTED'
  | 'SD_TIMEOUT'
  | 'SD_DEADLINE_EXCEEDED'
  | 'SD_UNAVAILABLE'
  | 'SD_NO_INSTANCE'
  | 'SD_DENIED'
  | 'SD_NOT_FOUND'
  | 'SD_CONFLICT'
  | 'SD_MALFORMED'
  | 'SD_TOO_LARGE'
  | 'SD_UNSUPPORTED'
  | 'SD_REJECTED'
  | 'SD_HTTP_STATUS'
  | 'SD_LISTENER_FAILED'
  | 'SD_MONITOR_FAILED'
  | ExtensionCode

/** A code of your own adapter or application. Its origin is the peer, and it is not retryable unless the error says otherwise. */
export type ExtensionCode = `X_${string}`

/**
 * The side that caused an error:
 *
 * - `caller`: the caller, for example with a request that can't be sent, a failing request body, an abort, or a deadline
 *   that is too short
 * - `local`: this process, for example a policy that refuses, no instance, or a closed object
 * - `network`: the connection to the peer
 * - `peer`: the endpoint that was called
 *
 * Only the last two say anything about an instance.
 */
export type OutcomeOrigin = 'caller' | 'local' | 'network' | 'peer'

const retryableByDefault: ReadonlySet<SdErrorCode> = new Set<SdErrorCode>([
  'SD_TIMEOUT',
  'SD_UNAVAILABLE',
  'SD_NO_INSTANCE',
  'SD_REJECTED',
])

/** Options of an {@link SdError}. */
export interface SdErrorOptions {
  /** Whether the same operation may succeed later, unchanged. @default depends on the code, see {@link SdErrorCode} */
  readonly retryable?: boolean
  /** The underlying error. */
  readonly cause?: unknown
  /** The side that caused the error. @default depends on the code, see `originOf` */
  readonly origin?: OutcomeOrigin
  /** How long the other side asked to wait before the next attempt, in milliseconds. @default not specified */
  readonly retryAfterMs?: number | undefined
  /** Path of the invalid option or argument, such as `endpoints[0].port`. */
  readonly field?: string
}

const marker: unique symbol = Symbol.for('@sd/core/SdError') as never

/**
 * The error class of all packages. `instanceof SdError` also recognises errors of another installed copy of this package.
 * Text in a message that looks like a credential is masked, see `Masking.text`: the message may quote an error of a
 * library.
 */
export class SdError extends Error {
  /** Always `SdError`. */
  override readonly name: string = 'SdError'
  /** What went wrong. Stable across releases. */
  readonly code: SdErrorCode
  /** Whether the same operation may succeed later, unchanged. */
  readonly retryable: boolean
  /** Path of the invalid option or argument, for `SD_INVALID` and `SD_MALFORMED`. */
  readonly field?: string
  /** How long the other side asked to wait before the next attempt, in milliseconds; see `delayBeforeRetry`. */
  readonly retryAfterMs?: number
  /** The side that caused the error, if specified; `originOf` returns an origin for every error. */
  readonly origin?: OutcomeOrigin

  constructor(code: SdErrorCode, message: string, options: SdErrorOptions = {}) {
    super(maskText(message), 'cause' in options ? { cause: options.cause } : undefined)
    this.code = code
    this.retryable = options.retryable ?? retryableByDefault.has(code)
    if (options.retryAfterMs !== undefined) this.retryAfterMs = options.retryAfterMs
    if (options.field !== undefined) this.field = options.field
    if (options.origin !== undefined) this.origin = options.origin
    Object.defineProperty(this, marker, { value: true })
  }

  /** Recognises errors of every installed copy of this package by a registered symbol. Subclasses use the ordinary check. */
  static override [Symbol.hasInstance](value: unknown): value is SdError {
    // biome-ignore lint/complexity/noThisInStatic: in a subclass, `this` is the subclass.
    if (this !== SdError) return super[Symbol.hasInstance](value)
    try {
      if (typeof value !== 'object' || value === null || (value as { [marker]?: unknown })[marker] !== true) return false
      // A proxy can return `true` for every property.
      const { code, message } = value as { readonly code?: unknown; readonly message?: unknown }
      return typeof code === 'string' && typeof message === 'string'
    } catch {
      // A proxy can throw on property access.
      return false
    }
  }
}

/**
 * Turns any thrown value into an {@link SdError}. Returns an `SdError` unchanged.
 *
 * @param value the caught value
 * @param code code for a value that is not an `SdError`
 * @param context the operation, as a prefix of the original message
 */
export function toSdError(value: unknown, code: SdErrorCode, context: string): SdError {
  if (value instanceof SdError) return value
  return new SdError(code, `${context}: ${describeThrown(value)}`, { cause: value })
}

/** Longest quote of a thrown value, in characters: some libraries put a whole document into a message. */
const longestQuote = 10_000

/** Describes a thrown value: the message of an error, or the value as a string; at most 10,000 characters. Never throws. */
export function describeThrown(value: unknown): string {
  try {
    const text = value instanceof Error ? `${value.message}` : String(value)
    return text.length > longestQuote ? `${text.slice(0, longestQuote)}…` : text
  } catch {
    return `a value of type ${typeof value} that can't be converted to a string`
  }
}

/**
 * Creates the error of an aborted operation. The signal's reason becomes the `cause`.
 *
 * @param signal the aborted signal
 * @param what the operation, as the subject of the message
 */
export function abortError(signal: AbortSignal, what: string): SdError {
  return new SdError('SD_ABORTED', `${what} was aborted`, { cause: signal.reason })
}

/** Creates the error of an operation on a closed object. @param what the object, as the subject of the message */
export function closedError(what: string): SdError {
  return new SdError('SD_CLOSED', `${what} is closed`)
}

// Every package loads this file first. Without this check, an old Node would fail inside a library with a confusing
// message.
const oldRuntime = describeOldRuntime(globalThis.process?.versions)
if (oldRuntime !== undefined) throw new SdError('SD_UNSUPPORTED', oldRuntime)
