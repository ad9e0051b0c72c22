import { constants } from 'node:os'
import { type InstanceSpec, invalid, type Registration, type SdError, toSdError, withTimeout } from '@sd/core'
import { type LifecycleOptions, readOptions } from './options.ts'

/**
 * - `created`: not started
 * - `starting`: waits for the server, then registers
 * - `ready`: may get traffic
 * - `stopping`: taken out, finishing what it has
 * - `stopped`: the server is closed and the hooks ran
 */
export type LifecycleState = 'created' | 'starting' | 'ready' | 'stopping' | 'stopped'

/** How a shutdown went. */
export interface ShutdownReport {
  /** Whether every request under way ended by itself. */
  readonly drained: boolean
  /** What went wrong, in order. Empty if nothing did. */
  readonly errors: readonly SdError[]
}

/** What `handleHealth` reads of a request, be it of `node:http` or `node:http2`. */
export interface HealthRequest {
  /** Path with query. */
  readonly url?: string | undefined
}

/** What `handleHealth` answers with. */
export interface HealthResponse {
  /** Sends the head. */
  writeHead(status: number, headers: Record<string, string>): unknown
  /** Sends the body and ends. */
  end(body: string): unknown
}

/** The life of one server in a registry. */
export interface Lifecycle extends AsyncDisposable {
  /** Where in its life it is. */
  readonly state: LifecycleState
  /** The registration, once there is one. */
  readonly registration: Registration | undefined
  /**
   * Waits until the server listens, registers the instance and installs the signal handlers. With the registry away it resolves too, and
   * the registration goes on trying.
   *
   * @throws SdError `SD_INVALID` for a bad instance, `SD_DENIED` if the registry refuses
   */
  start(): Promise<void>
  /**
   * Takes the instance out of the registry, goes on serving until callers know, drains and closes the server, runs the hooks. Every step
   * has a limit, and one that fails does not keep the next from running. Idempotent; never rejects.
   */
  close(): Promise<ShutdownReport>
  /**
   * Answers a request for the liveness or readiness path: 200, or 503 for readiness unless `ready`.
   *
   * @returns whether it was one; otherwise the request is untouched
   */
  handleHealth(request: HealthRequest, response: HealthResponse): boolean
}

/**
 * Builds the life of a server: in the registry when it can serve, out of it before it stops.
 *
 * @throws SdError `SD_INVALID` that names the option
 */
export function createLifecycle(options: LifecycleOptions): Lifecycle {
  const resolved = readOptions(options)
  const { registrar, server } = resolved
  let state: LifecycleState = 'created'
  let registration: Registration | undefined
  let starting: Promise<void> | undefined
  let closing: Promise<ShutdownReport> | undefined

  async function start(): Promise<void> {
    state = 'starting'
    for (const signal of resolved.signals) process.on(signal, onSignal)
    const port = await server.whenListening()
    // Whoever closed it while the server did not listen has given up on it.
    if (closing) return
    const spec = withPort(resolved.instance, port)
    const registered = await registrar.register(spec, { whenUnavailable: 'recover' })
    registration = registered
    if (closing) return
    state = 'ready'
  }

  async function close(): Promise<ShutdownReport> {
    const errors: SdError[] = []
    /** Returns whether it went well. */
    async function step(what: string, run: () => unknown, timeoutMs: number = resolved.stepTimeoutMs): Promise<boolean> {
      try {
        await withTimeout({ timeoutMs, what }, async () => run())
        return true
      } catch (caught) {
        const error = toSdError(caught, 'SD_UNAVAILABLE', what)
        errors.push(error)
        resolved.onError(error)
        return false
      }
    }
    state = 'stopping'
    await step('asking clients to leave', () => server.beginDrain?.())
    if (starting) await step('waiting for the start', () => starting?.catch(() => undefined))
    if (registration) {
      await step('deregistering', () => registration?.deregister())
      await sleepReferenced(resolved.propagationDelayMs)
    }
    const whatDrains = 'Requests were cut: draining (drainTimeoutMs)'
    const drained = await step(whatDrains, () => server.finishDrain(), resolved.drainTimeoutMs)
    if (!drained) await step('cutting requests', () => server.destroy())
    for (const [index, hook] of resolved.onShutdown.entries()) await step(`onShutdown[${index}]`, hook)
    for (const signal of resolved.signals) process.off(signal, onSignal)
    state = 'stopped'
    return { drained, errors }
  }

  function onSignal(signal: NodeJS.Signals): void {
    // Whoever asks twice doesn't want to wait.
    if (closing) process.exit(128 + constants.signals[signal])
    void lifecycle.close().then(({ errors }) => {
      if (resolved.exit) process.exit(errors.length === 0 ? 0 : 1)
    })
  }

  const lifecycle: Lifecycle = {
    get state() {
      return state
    },
    get registration() {
      return registration
    },
    start() {
      starting ??= start()
      return starting
    },
    close() {
      closing ??= close()
      return closing
    },
    handleHealth(request, response) {
      const path = request.url?.split('?', 1)[0]
      if (path !== resolved.livePath && path !== resolved.readyPath) return false
      const ok = path === resolved.livePath || state === 'ready'
      response.writeHead(ok ? 200 : 503, { 'content-type': 'application/json', 'cache-control': 'no-store' })
      response.end(JSON.stringify({ status: ok ? 'ok' : state }))
      return true
    },
    async [Symbol.asyncDispose]() {
      await lifecycle.close()
    },
  }
  return lifecycle
}

function withPort(instance: LifecycleOptions['instance'], listening: number | undefined): InstanceSpec {
  const port = instance.port ?? listening
  if (port === undefined) throw invalid('instance.port', undefined, 'a port, because the server does not tell one')
  return { ...instance, port }
}

/** A wait that keeps the process alive: while it lasts, requests may still come. */
function sleepReferenced(durationMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, durationMs))
}
