import type { CallContext, OutcomeOrigin, SdError, TelemetryCall } from '@sd/core'
import type { ForwardParts } from '../forward/forward-parts.ts'
import type { PreparedBody } from '../message/request-body.ts'
import type { ServiceEntry } from '../services/service-entry.ts'
import type { CallInit } from './call-init.ts'

/** An exchange whose response must arrive within a limit. */
export interface LimitedExchange {
  /** Start, by `performance.now()`. */
  readonly startedAt: number
  /** Whether it still waits for the response. */
  readonly isWaiting: boolean
  /** The limit has passed. */
  onLimit(): void
}

/** The part of a call that its rounds, attempts and exchanges use. */
export interface CallFrame extends CallContext, TelemetryCall {
  /** Input of the call. */
  readonly init: CallInit
  readonly path: string
  /** The service, with its cluster, settings and policies. */
  readonly entry: ServiceEntry
  /** Present for a forwarded call. */
  readonly forward: ForwardParts | undefined
  /** The header fields by name, if they were accessed. */
  readonly changedHeaders: Record<string, string> | undefined
  /** The body, ready to be sent, after changes by interceptors. @throws SdError `SD_INVALID` if it can't be sent */
  readonly request: PreparedBody
  /** Why the call was stopped: deadline, caller, client closed. */
  readonly stopped: SdError | undefined
  /** Whether a body that can be read only once was sent to a peer. */
  isBodyUsed: boolean
  /**
   * Adds a limit to the timer of the call, so that most attempts need no timer of their own.
   *
   * @param limitAt end of the limit, by `performance.now()`
   * @returns false if the call can't take it now
   */
  watchLimit(exchange: LimitedExchange, limitAt: number): boolean
  /** The first exchange: determines the origin of an exceeded deadline. */
  firstExchange: { judgeDeadline(): OutcomeOrigin } | undefined
  /** Attempts so far. */
  attempts: number
}
