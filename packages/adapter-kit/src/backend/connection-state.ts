import { type ConnectionState, publishTelemetry, type SdError, toWireError, type WireError } from '@sd/core'

/** Tracks the state of a connection to a backend. Changes are published on the channel `sd:v1:backend:state`. */
export interface ConnectionTracker {
  readonly state: ConnectionState
  /** When it entered that state, in Unix milliseconds. */
  readonly since: number
  /** Why it is disconnected; absent while it is not. */
  readonly lastError: WireError | undefined
  /** Records a successful contact. */
  succeeded(): void
  /** Records a failed contact. Only a retryable error changes the connection state; others, such as `SD_CLOSED`, don't. */
  failed(error: SdError): void
  /** Sets the state to `closed` permanently. */
  close(): void
}

/** Creates a tracker. @param backend name of the backend @param initial state before the first contact */
export function createConnectionTracker(backend: string, initial: ConnectionState = 'disconnected'): ConnectionTracker {
  let state = initial
  let since = Date.now()
  let lastError: WireError | undefined
  function become(next: ConnectionState, error?: SdError): void {
    if (state === next || state === 'closed') return
    state = next
    since = Date.now()
    lastError = error && toWireError(error)
    publishTelemetry('sd:v1:backend:state', { backend, state, error })
  }
  return {
    get state() {
      return state
    },
    get since() {
      return since
    },
    get lastError() {
      return lastError
    },
    succeeded: () => become('connected'),
    failed: (error) => {
      if (error.retryable) become('disconnected', error)
    },
    close: () => become('closed'),
  }
}
