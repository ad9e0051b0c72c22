import { describeThrown, SdError } from '../errors.ts'
import { maskText } from '../masking/masked-text.ts'

/** An error as plain JSON data, for readers outside of this process. Credentials in its texts are masked. */
export interface WireError {
  /** An `SdErrorCode`, or the `name` of another error. */
  readonly code: string
  readonly message: string
  /** Whether the same operation may succeed later. */
  readonly retryable: boolean
  /** Path of the invalid field. */
  readonly field?: string
  /** How long the other side asked to wait, in milliseconds. */
  readonly retryAfterMs?: number
  /** Messages of the causes, the nearest first; at most 5. */
  readonly causes?: readonly string[]
}

const maxCauses = 5
const longestMessage = 2_000

/** Turns any thrown value into plain JSON data. `JSON.stringify` of an error omits its message. Never throws. */
export function toWireError(thrown: unknown): WireError {
  const causes = causesOf(thrown)
  const rest = { message: messageOf(thrown), ...(causes.length > 0 && { causes }) }
  if (!(thrown instanceof SdError)) return { code: nameOf(thrown), retryable: false, ...rest }
  const { code, retryable, field, retryAfterMs } = thrown
  return {
    code,
    retryable,
    ...rest,
    ...(field !== undefined && { field }),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  }
}

function messageOf(thrown: unknown): string {
  const text = maskText(describeThrown(thrown))
  return text.length > longestMessage ? `${text.slice(0, longestMessage)}…` : text
}

function nameOf(thrown: unknown): string {
  try {
    return thrown instanceof Error ? String(thrown.name) : typeof thrown
  } catch {
    return typeof thrown
  }
}

function causesOf(thrown: unknown): readonly string[] {
  const causes: string[] = []
  try {
    let { cause } = thrown as { readonly cause?: unknown }
    while (cause !== undefined && cause !== null && causes.length < maxCauses) {
      causes.push(messageOf(cause))
      cause = (cause as { readonly cause?: unknown }).cause
    }
  } catch {
    // A proxy or a getter can throw. What was read so far is enough.
  }
  return causes
}
