import { type ConnectionState, publishTelemetry, type SdError } from '@sd/core'

/** What is known of the way to a backend. Changes are published on the channel `sd:v1:backend:state`. */
export interface ConnectionTracker {
  /** How it is. */
  readonly state: ConnectionState
  /** A contact succeeded. */
  succeeded(): void
  /** A contact failed. Only a retryable error says something about the connection; `SD_CLOSED` and the like do not. */
  failed(error: SdError): void
  /** Ends it for good. */
  close(): void
}

/** Follows the state of a connection. @param backend its name @param initial before the first contact */
export function createConnectionTracker(backend: string, initial: ConnectionState = 'disconnected'): ConnectionTracker {
  let state = initial
  function become(next: ConnectionState, error?: SdError): void {
    if (state === next || state === 'closed') return
    state = next
    publishTelemetry('sd:v1:backend:state', { backend, state, error })
  }
  return {
    get state() {
      return state
    },
    succeeded: () => become('connected'),
    failed: (error) => {
      if (error.retryable) become('disconnected', error)
    },
    close: () => become('closed'),
  }
}
