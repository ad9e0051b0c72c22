import { Watch } from '@kubernetes/client-node'
import { SdError, sleep } from '@sd/core'
import { expired, toKubernetesError } from './api-errors.ts'
import type { ApiWatch } from './api-messages.ts'
import type { Login } from './login.ts'

/** Options for opening a watch. */
export interface OpenWatchOptions {
  /** Name of the owner, for messages. */
  readonly name: string
  /** The server and the login. */
  readonly login: Login
  /** Time limit for opening the watch, in milliseconds. */
  readonly operationTimeoutMs: number
  /** Called once the server has accepted the watch. */
  readonly onAccepted: () => void
  /** Called when an accepted watch ends. */
  readonly onLost: () => void
}

/** Opens a watch. Resolves when it ends. @throws SdError if it could not start, or the exception of `onEvent` */
export function openWatch(options: OpenWatchOptions, { path, query, onEvent, signal }: ApiWatch): Promise<void> {
  const { name, login, operationTimeoutMs, onAccepted, onLost } = options
  const { config } = login.current()
  const what = `${name}: watching ${path}`
  const watcher = new Watch(config)
  // Without data for this long, the connection may be half open; the library has no option for this.
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
        // The library would hide it.
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
      .then(() => controller || finish(new SdError('SD_TIMEOUT', `${what} did not start within ${operationTimeoutMs} ms`)))
      .catch(() => undefined)
  })
}

function explainWatch(error: unknown, what: string): SdError {
  return (error as { statusCode?: unknown }).statusCode === 410 ? expired(what) : toKubernetesError(error, what)
}
