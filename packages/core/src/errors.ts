import { maskText } from './masking/masked-text.ts'
import { describeOldRuntime } from './runtime.ts'

/**
 * Stable error codes. Branch on these, never on a message. All packages use these alone; codes of your own begin with `X_`.
 * The origin is what `originOf` says of errors that carry none; a code that is not in the table is the peer's.
 *
 * | code | meaning | retryable | origin |
 * |---|---|---|---|
 * | `SD_INVALID` | an argument or option is wrong; the message names the field, what it got and what it wants | no | caller |
 * | `SD_CLOSED` | the object was closed | no | local |
 * | `SD_ABORTED` | the caller's signal fired | no | caller |
 * | `SD_TIMEOUT` | one operation took longer than its own limit | yes | peer |
 * | `SD_DEADLINE_EXCEEDED` | the whole call ran out of time | no | caller |
 * | `SD_UNAVAILABLE` | the backend or peer can't be reached, or answered that it can't serve now | yes | network |
 * | `SD_NO_INSTANCE` | a service has no instance that may be called | yes | local |
 * | `SD_DENIED` | credentials are missing, wrong or not sufficient | no | peer |
 * | `SD_NOT_FOUND` | the named thing does not exist | no | peer |
 * | `SD_CONFLICT` | somebody else holds or changed the same thing | no | peer |
 * | `SD_MALFORMED` | data that came from outside can't be read | no | peer |
 * | `SD_TOO_LARGE` | data exceeds a limit | no | caller |
 * | `SD_UNSUPPORTED` | the backend, runtime or library can't do this | no | local |
 * | `SD_REJECTED` | a policy (breaker, limit, bulkhead) refused the call | yes | local |
 * | `SD_HTTP_STATUS` | a response had an error status, and was asked for none | from 500 on | peer |
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

/** A code of an adapter or application of your own. Its origin is the peer, and it is not retryable unless the error says so. */
export type ExtensionCode = `X_${string}`

/**
 * Whose doing an error was. `caller`: who makes the call, such as a request that can't be sent, a request body that fails, an abort, a
 * deadline that is too short. `local`: this process, such as a policy that refuses, no instance, a closed object. `network`: the way to
 * the peer. `peer`: the one that was called. Only the last two say anything about an instance.
 */
export type OutcomeOrigin = 'caller' | 'local' | 'network' | 'peer'

const retryableByDefault: ReadonlySet<SdErrorCode> = new Set<SdErrorCode>([
  'SD_TIMEOUT',
  'SD_UNAVAILABLE',
  'SD_NO_INSTANCE',
  'SD_REJECTED',
])

/** What an {@link SdError} carries besides its code and message. */
export interface SdErrorOptions {
  /** Whether the same operation may succeed later, unchanged. @default decided by the code, see {@link SdErrorCode} */
  readonly retryable?: boolean
  /** The error that led to this one. */
  readonly cause?: unknown
  /** Whose doing it was. @default decided by the code, see `originOf` */
  readonly origin?: OutcomeOrigin
  /** How long the other side asked to wait before the next attempt, in milliseconds. @default it did not say */
  readonly retryAfterMs?: number | undefined
  /** Path of the option or argument that is wrong, such as `endpoints[0].port`. */
  readonly field?: string
}

const marker: unique symbol = Symbol.for('@sd/core/SdError') as never

/**
 * The one error class of all packages. `instanceof SdError` also recognises errors of another installed copy of this package. Text in a message
 * that looks like a credential is masked, see `Masking.text`: an error of a library may have quoted it.
 */
export class SdError extends Error {
  /** Always `SdError`. */
  override readonly name: string = 'SdError'
  /** What went wrong, stable across releases. */
  readonly code: SdErrorCode
  /** Whether the same operation may succeed later, unchanged. */
  readonly retryable: boolean
  /** Path of the option or argument that is wrong, for `SD_INVALID` and `SD_MALFORMED`. */
  readonly field?: string
  /** How long the other side asked to wait before the next attempt, in milliseconds; see `delayBeforeRetry`. */
  readonly retryAfterMs?: number
  /** Whose doing it was, where that was said; `originOf` knows it of every error. */
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

  /** Recognises errors of every installed copy of this package by a registered symbol. Subclasses are recognised as usual. */
  static override [Symbol.hasInstance](value: unknown): value is SdError {
    // biome-ignore lint/complexity/noThisInStatic: it is a subclass where one is asked about.
    if (this !== SdError) return super[Symbol.hasInstance](value)
    try {
      if (typeof value !== 'object' || value === null || (value as { [marker]?: unknown })[marker] !== true) return false
      // A proxy may say yes to everything.
      const { code, message } = value as { readonly code?: unknown; readonly message?: unknown }
      return typeof code === 'string' && typeof message === 'string'
    } catch {
      // A proxy may refuse to be read.
      return false
    }
  }
}

/**
 * Turns anything thrown into an {@link SdError}; an `SdError` is returned as it is.
 *
 * @param value what was caught
 * @param code code for what is not yet an `SdError`
 * @param context what was being done, put before the original message
 */
export function toSdError(value: unknown, code: SdErrorCode, context: string): SdError {
  if (value instanceof SdError) return value
  return new SdError(code, `${context}: ${describeThrown(value)}`, { cause: value })
}

/** Most characters of what was thrown that are quoted: some libraries put a whole document into a message. */
const longestQuote = 10_000

/** What a thrown value says: an error's message, or the value as a text; at most 10,000 characters. Never throws, whatever was thrown. */
export function describeThrown(value: unknown): string {
  try {
    const text = value instanceof Error ? `${value.message}` : String(value)
    return text.length > longestQuote ? `${text.slice(0, longestQuote)}…` : text
  } catch {
    return `a value of type ${typeof value} that has no text`
  }
}

/**
 * The error of an aborted operation. The signal's own reason becomes the `cause`.
 *
 * @param signal the signal that fired
 * @param what what was aborted, as the subject of the message
 */
export function abortError(signal: AbortSignal, what: string): SdError {
  return new SdError('SD_ABORTED', `${what} was aborted`, { cause: signal.reason })
}

/** The error of an operation on a closed object. @param what the closed object, as the subject of the message */
export function closedError(what: string): SdError {
  return new SdError('SD_CLOSED', `${what} is closed`)
}

// Said here because every package loads this file first: an old Node would else fail somewhere in a library, with a message that says nothing.
const oldRuntime = describeOldRuntime(globalThis.process?.versions)
if (oldRuntime !== undefined) throw new SdError('SD_UNSUPPORTED', oldRuntime)
