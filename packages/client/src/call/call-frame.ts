import type { CallContext, OutcomeOrigin, SdError, TelemetryCall } from '@sd/core'
import type { ForwardParts } from '../forward/forward-parts.ts'
import type { PreparedBody } from '../message/request-body.ts'
import type { ServiceEntry } from '../services/service-entry.ts'
import type { CallInit } from './call-init.ts'

/** An exchange whose response must come until a limit. */
export interface LimitedExchange {
  /** When it began, by `performance.now()`. */
  readonly startedAt: number
  /** Whether it is still to have a response. */
  readonly isWaiting: boolean
  /** Its limit is over. */
  onLimit(): void
}

/** What a call's rounds, attempts and exchanges see of it. */
export interface CallFrame extends CallContext, TelemetryCall {
  /** What it was made of. */
  readonly init: CallInit
  readonly path: string
  /** The service, with its cluster, settings and policies. */
  readonly entry: ServiceEntry
  /** Of a forwarded call. */
  readonly forward: ForwardParts | undefined
  /** The header fields, if anybody has asked for them by name. */
  readonly changedHeaders: Record<string, string> | undefined
  /** The body, ready to be sent: made of what the interceptors left. @throws SdError `SD_INVALID` if it can't be sent */
  readonly request: PreparedBody
  /** Why the call was stopped: deadline, caller, client closed. */
  readonly stopped: SdError | undefined
  /** Whether a body that can be read only once was handed to a peer. */
  isBodyUsed: boolean
  /**
   * Takes a limit into the timer of the call, so that most attempts need none of their own.
   *
   * @param limitAt when it is over, by `performance.now()`
   * @returns false if it takes none now
   */
  watchLimit(exchange: LimitedExchange, limitAt: number): boolean
  /** The first exchange: judges whose doing it is that the deadline is over. */
  firstExchange: { judgeDeadline(): OutcomeOrigin } | undefined
  /** Attempts so far. */
  attempts: number
}
