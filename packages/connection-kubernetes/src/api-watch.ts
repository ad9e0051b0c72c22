import { Watch } from '@kubernetes/client-node'
import { SdError, sleep } from '@sd/core'
import { expired, toKubernetesError } from './api-errors.ts'
import type { Login } from './login.ts'

/** One event of a watch, as the API sends it. */
export interface ApiEvent {
  /** `ADDED`, `MODIFIED`, `DELETED`, `BOOKMARK` or `ERROR`. */
  readonly type: string
  /** The object, or a `Status`. */
  readonly object: unknown
}

/** A watch to open. */
export interface ApiWatch {
  /** Path of the collection, below the server's address. */
  readonly path: string
  /** Where to begin, and which objects. */
  readonly query: Readonly<Record<string, string | undefined>>
  /** Called for every event; what it throws ends the watch. */
  readonly onEvent: (event: ApiEvent) => void
  /** Ends it. */
  readonly signal: AbortSignal
}

/** How a watch is opened. */
export interface OpenWatchOptions {
  /** Name of the owner, for messages. */
  readonly name: string
  /** Where the server is, and how to log in. */
  readonly login: Login
  /** Limit of the opening, in milliseconds. */
  readonly operationTimeoutMs: number
  /** Called once the server accepted the watch. */
  readonly onAccepted: () => void
  /** Called when a watch that was accepted ends. */
  readonly onLost: () => void
}

/** Opens a watch. Resolves when it ends. @throws SdError if it could not begin, or what `onEvent` threw */
export function openWatch(options: OpenWatchOptions, { path, query, onEvent, signal }: ApiWatch): Promise<void> {
  const { name, login, operationTimeoutMs, onAccepted, onLost } = options
  const { config } = login.current()
  const what = `${name}: watching ${path}`
  const watcher = new Watch(config)
  // Silence for so long may be a connection that is half open; the library has no option for it.
  ;(watcher as unknown as { requestTimeoutMs: number }).requestTimeoutMs = operationTimeoutMs * 3
  return new Promise((resolve, reject) => {
    let controller: AbortController | undefined
    let isOver = false
    function finish(error?: SdError): void {
      if (isOver) return
      isOver = true
      signal.removeEventListener('abort', onAbort)
      if (controller && !signal.aborted) onLost()
      controller?.abort()
      if (error) reject(error)
      else resolve()
    }
    const onAbort = (): void => finish()
    signal.addEventListener('abort', onAbort, { once: true })

    function receive(type: string, object: unknown): void {
      if (isOver) return
      try {
        onEvent({ type, object })
      } catch (caught) {
        // The library would swallow it.
        finish(toKubernetesError(caught, what))
      }
    }
    const end = (error: unknown): void => finish(controller || !error ? undefined : explainWatch(error, what))
    watcher.watch(path, query, receive, end).then(
      (opened) => {
        controller = opened
        if (isOver) opened.abort()
        else onAccepted()
      },
      (error: unknown) => finish(toKubernetesError(error, what)),
    )
    void sleep(operationTimeoutMs, signal)
      .then(() => controller || finish(new SdError('SD_TIMEOUT', `${what} did not begin within ${operationTimeoutMs} ms`)))
      .catch(() => undefined)
  })
}

function explainWatch(error: unknown, what: string): SdError {
  return (error as { statusCode?: unknown }).statusCode === 410 ? expired(what) : toKubernetesError(error, what)
}
