import {
  type BackendRole,
  type BackoffOptions,
  type ConnectionState,
  closedError,
  createWatchHub,
  type OperationOptions,
  reportStates,
  type SdError,
  settlesWithin,
  toSdError,
  type WatchHub,
  type WatchSession,
  withTimeout,
} from '@sd/core'
import { type ConnectionTracker, createConnectionTracker } from './connection-state.ts'
import { observeOperation } from './operation.ts'

/** Context of a single operation on a backend. */
export interface OperationContext {
  /** Aborts at the operation's time limit, or when the caller aborts. */
  readonly signal: AbortSignal
}

/** Options of {@link createBackend}. */
export interface BackendOptions {
  /** Name for logs and metrics. */
  readonly name: string
  /** What it is used for. */
  readonly role: BackendRole
  /** Time limit of one operation, in milliseconds. */
  readonly operationTimeoutMs: number
  /**
   * Delays between watch sessions. @default 200 ms to 4 s, so that watches resume within 5 s after the backend is
   * reachable again
   */
  readonly backoff?: BackoffOptions | undefined
  /** State before the first contact. @default 'disconnected' */
  readonly initialState?: ConnectionState | undefined
}

/**
 * Shared plumbing for one backend: operations with a time limit and telemetry, watches that reconnect, and a tracked
 * connection state.
 */
export interface Backend {
  /** State of the connection. */
  readonly connection: ConnectionTracker
  /** Records the result of a contact with the backend. */
  record(error: SdError | undefined): void
  /** Throws `SD_CLOSED` after `close`. */
  checkOpen(): void
  /** Runs one operation with a time limit, the caller's signal and telemetry. */
  operate<T>(
    operation: string,
    options: OperationOptions | undefined,
    run: (read: OperationContext) => Promise<T>,
    service?: string,
  ): Promise<T>
  /** Creates a watch hub whose sessions update the connection state. */
  createHub<T>(session: (key: string, session: WatchSession<T>) => Promise<void>): WatchHub<T>
  /**
   * Closes all hubs, then calls `before` and `backend`, each within a time limit. Idempotent: later calls return the same
   * promise.
   */
  close(end: { readonly before?: () => Promise<void>; readonly backend: () => void | Promise<void> }): Promise<void>
}

/** Delays after which watches and registrations recover within 5 s after the backend is reachable again. */
export const defaultBackoff: BackoffOptions = { maxMs: 4_000 }

/** Time limit of each step of closing without a response of the backend, in milliseconds. */
export const closeLimitMs = 1_000

/** Creates the plumbing for one backend that registries and configuration sources share. */
export function createBackend({
  name,
  role,
  operationTimeoutMs: timeoutMs,
  backoff = defaultBackoff,
  initialState,
}: BackendOptions): Backend {
  const connection = createConnectionTracker(name, initialState)
  const hubs: { close(): Promise<void> }[] = []
  const endReports = reportStates(() => {
    const { state, since, lastError } = connection
    return [{ kind: 'backend', backend: name, role, state, since, ...(lastError && { lastError }) }]
  })
  let closing: Promise<void> | undefined

  function record(error: SdError | undefined): void {
    if (error) connection.failed(error)
    else connection.succeeded()
  }

  function checkOpen(): void {
    if (closing) throw closedError(name)
  }

  return {
    connection,
    record,
    checkOpen,
    operate: (operation, options, run, service) =>
      observeOperation({ backend: name, operation, ...(service !== undefined && { service }) }, async () => {
        checkOpen()
        const what = `${name} ${operation}`
        try {
          const result = await withTimeout({ timeoutMs, what, signal: options?.signal }, (signal) => run({ signal }))
          record(undefined)
          return result
        } catch (caught) {
          const error = toSdError(caught, 'SD_UNAVAILABLE', what)
          record(error)
          throw error
        }
      }),
    createHub<T>(session: (key: string, session: WatchSession<T>) => Promise<void>) {
      const hub = createWatchHub<T>({
        name,
        backoff,
        async session(key, { offer, ...rest }) {
          try {
            await session(key, {
              ...rest,
              offer: (value) => {
                if (rest.signal.aborted) return
                connection.succeeded()
                offer(value)
              },
            })
          } catch (caught) {
            const error = toSdError(caught, 'SD_UNAVAILABLE', `${name}: the watch of ${key} failed`)
            if (!rest.signal.aborted) connection.failed(error)
            throw error
          }
        },
      })
      hubs.push(hub)
      return hub
    },
    close({ before, backend }) {
      closing ??= (async () => {
        endReports()
        const watches = Promise.all(hubs.map((hub) => hub.close()))
        await before?.()
        await settlesWithin(watches, closeLimitMs)
        try {
          await settlesWithin(Promise.resolve(backend()), closeLimitMs)
        } finally {
          connection.close()
        }
      })()
      return closing
    },
  }
}
