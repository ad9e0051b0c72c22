import { checkKnownKeys, checkName, SdError } from '@sd/core'
import type { AdminControls } from '../controls.ts'
import type { AdminControl } from '../protocol.ts'

/** What a change is made with. */
export interface ChangeRequest {
  readonly controls: AdminControls
  /** Variable segments of the path. */
  readonly segments: readonly string[]
  /** The body, without `reason`. */
  readonly body: Readonly<Record<string, unknown>>
  readonly reason: string
  /** Name of the principal. */
  readonly by: string
}

/** A change that is ready to be made. */
export interface Change {
  /** What is changed, such as `orders/orders-1`. It contains no secret. */
  readonly target: string
  /** State before; secrets are masked. */
  readonly before?: unknown
  /** Makes it. @returns the state after; secrets are masked */
  run(options: { readonly signal: AbortSignal }): unknown
}

/** A kind of change. */
export interface ChangeRoute {
  /** Segments of the path; `*` stands for a variable one, `?` for an optional one at the end. */
  readonly path: readonly string[]
  readonly control: AdminControl
  /** Name in the audit, such as `breaker.open`. */
  readonly action: string
  /** Prepares it, and changes nothing. @throws SdError `SD_INVALID`, `SD_NOT_FOUND` */
  prepare(request: ChangeRequest): Change | Promise<Change>
}

/** Throws `SD_INVALID` for a member of a body that is not known. */
export function checkBody(body: Readonly<Record<string, unknown>>, known: readonly string[]): void {
  checkKnownKeys('body', body, known)
}

/** Returns one of the variable segments. @throws SdError `SD_INVALID` */
export function checkSegment(field: string, segment: string | undefined): string {
  return checkName(field, segment)
}

/** The error for something that does not exist in this process. */
export function notFound(what: string): SdError {
  return new SdError('SD_NOT_FOUND', `${what} is not known to this process`)
}
