import {
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

/** What goes with a single operation on a backend. */
export interface OperationContext {
  /** Fires at the operation's time limit, or when the caller gives up. */
  readonly signal: AbortSignal
}

/** What is particular to one backend. */
export interface BackendOptions {
  /** Name for logs and metrics. */
  readonly name: string
  /** Limit of one operation, in milliseconds. */
  readonly operationTimeoutMs: number
  /** Delays between watch sessions. @default 200 ms to 4 s, so that all is back within 5 s of the backend */
  readonly backoff?: BackoffOptions | undefined
  /** State before the first contact. @default 'disconnected' */
  readonly initialState?: ConnectionState | undefined
}

/** The way to a backend: operations that are limited and observed, watches that survive, a connection whose state is known. */
export interface Backend {
  /** What is known of the connection. */
  readonly connection: ConnectionTracker
  /** Takes note of how a contact ended. */
  record(error: SdError | undefined): void
  /** Throws once it is closed. */
  checkOpen(): void
  /** Runs one operation: limited in time, abortable, observed. */
  operate<T>(
    operation: string,
    options: OperationOptions | undefined,
    run: (read: OperationContext) => Promise<T>,
    service?: string,
  ): Promise<T>
  /** A hub whose sessions tell how the connection is. */
  createHub<T>(session: (key: string, session: WatchSession<T>) => Promise<void>): WatchHub<T>
  /** Ends all hubs, then what `before` ends, then the backend itself; each within a limit. Once: later calls get the same promise. */
  close(end: { readonly before?: () => Promise<void>; readonly backend: () => void | Promise<void> }): Promise<void>
}

/** Delays after which everything is back within 5 s of the backend. */
export const defaultBackoff: BackoffOptions = { maxMs: 4_000 }

/** Longest time without a sign of the backend that closing waits for each of its steps, in milliseconds. */
export const closeLimitMs = 1_000

/** Makes the way to a backend, on which registries and configuration sources stand. */
export function createBackend({
  name,
  operationTimeoutMs: timeoutMs,
  backoff = defaultBackoff,
  initialState,
}: BackendOptions): Backend {
  const connection = createConnectionTracker(name, initialState)
  const hubs: { close(): Promise<void> }[] = []
  const endReports = reportStates(() => [{ kind: 'backend', backend: name, state: connection.state }])
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
            const error = toSdError(caught, 'SD_UNAVAILABLE', `${name} lost the watch of ${key}`)
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
