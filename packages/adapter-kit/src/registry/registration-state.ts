import {
  checkFunction,
  guardListener,
  publishTelemetry,
  type Registration,
  type RegistrationState,
  type SdError,
  withTimeout,
} from '@sd/core'

/** Options of {@link createRegistrationState}. */
export interface RegistrationStateOptions {
  /** Name of the registry, for telemetry. */
  readonly registry: string
  /** The registration, which listeners receive. */
  readonly registration: Registration
}

/** How a registration ends. */
export interface RegistrationEnd {
  /** Changes the state to `closed`. */
  readonly close: () => void
  /** Removes the instance from the backend. Not called if the registration was already closed, because another one replaced it. */
  readonly remove: () => Promise<void>
  /** Ends the caller's wait, not the removal. */
  readonly signal: AbortSignal | undefined
  /** Time limit of a wait with a signal, in milliseconds. @default none */
  readonly timeoutMs?: number
}

/** The part of a {@link Registration} that is the same for all registries: its state, its listeners, and its end. */
export interface RegistrationStateHolder {
  readonly state: RegistrationState
  /** Why it is not `active`; absent while it is. */
  readonly lastError: SdError | undefined
  /** When it entered its state, in Unix milliseconds. */
  readonly since: number
  /** Changes the state, unless it is closed, and notifies telemetry and listeners. @returns whether the state differs from before */
  set(state: RegistrationState, error?: SdError): boolean
  /** See `Registration.onStateChange`. */
  onChange(listener: (registration: Registration) => void): () => void
  /** Ends the registration at the first call. Later calls wait for the same end. */
  end(end: RegistrationEnd): Promise<void>
}

/** Creates the state of a registration, which begins as `recovering`. */
export function createRegistrationState({ registry, registration }: RegistrationStateOptions): RegistrationStateHolder {
  const listeners = new Set<(registration: Registration) => void>()
  let state: RegistrationState = 'recovering'
  let lastError: SdError | undefined
  let since = Date.now()
  let ending: Promise<void> | undefined

  return {
    get state() {
      return state
    },
    get lastError() {
      return lastError
    },
    get since() {
      return since
    },
    set(next, error) {
      if (state === 'closed') return false
      const isSame = state === next
      state = next
      lastError = error
      if (isSame) return false
      since = Date.now()
      const { service, id: instanceId } = registration.instance
      publishTelemetry('sd:v1:registration:state', { registry, service, instanceId, state, error })
      // Deferred, so that a listener that changes the registration does not do so in the middle of a change.
      for (const notify of listeners) queueMicrotask(() => notify(registration))
      return true
    },
    onChange(listener) {
      const { service, id } = registration.instance
      const own = guardListener(`state listener of registration ${service}/${id}`, checkFunction('listener', listener))
      listeners.add(own)
      return () => listeners.delete(own)
    },
    end({ close, remove, signal, timeoutMs }) {
      if (ending === undefined) {
        const wasClosed = state === 'closed'
        close()
        ending = wasClosed ? Promise.resolve() : remove()
        ending.catch(() => undefined)
      }
      if (!signal) return ending
      const pending = ending
      return withTimeout({ timeoutMs, what: `deregistering ${registration.instance.service}`, signal }, () => pending)
    },
  }
}
