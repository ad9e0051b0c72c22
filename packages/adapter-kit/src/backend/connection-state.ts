import { publishTelemetry, type RegistryState, type SdError } from '@sd/core'

/** What is known of the way to a backend. Changes are published on the `registryState` channel. */
export interface Connection {
  /** How it is. */
  readonly state: RegistryState
  /** A contact succeeded. */
  succeeded(): void
  /** A contact failed. Only a retryable error says something about the connection; `SD_CLOSED` and the like do not. */
  failed(error: SdError): void
  /** Ends it for good. */
  close(): void
}

/** Follows the state of a connection. @param registry name of the registry @param initial before the first contact */
export function createConnection(registry: string, initial: RegistryState = 'disconnected'): Connection {
  let state = initial
  function become(next: RegistryState, error?: SdError): void {
    if (state === next || state === 'closed') return
    state = next
    publishTelemetry('sd:v1:backend:state', { registry, state, error })
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
