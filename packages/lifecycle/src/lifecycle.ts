import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { constants } from 'node:os'
import { type InstanceSpec, invalid, type Registration, SdError, toSdError, withTimeout } from '@sd/core'
import { createDrain } from './drainable-server.ts'
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
  handleHealth(request: IncomingMessage, response: ServerResponse): boolean
}

/**
 * Builds the life of a server: in the registry when it can serve, out of it before it stops.
 *
 * @throws SdError `SD_INVALID` that names the option
 */
export function createLifecycle(options: LifecycleOptions): Lifecycle {
  const resolved = readOptions(options)
  const { registrar, server, stepTimeoutMs } = resolved
  const drain = createDrain(server)
  let state: LifecycleState = 'created'
  let registration: Registration | undefined
  let starting: Promise<void> | undefined
  let closing: Promise<ShutdownReport> | undefined

  async function start(): Promise<void> {
    state = 'starting'
    for (const signal of resolved.signals) process.on(signal, onSignal)
    if (!server.listening) await once(server as never, 'listening')
    // Whoever closed it while the server did not listen has given up on it.
    if (closing) return
    const spec = withPort(resolved.instance, server.address())
    const registered = await registrar.register(spec, { whenUnavailable: 'recover' })
    registration = registered
    if (closing) return
    state = 'ready'
  }

  async function close(): Promise<ShutdownReport> {
    const errors: SdError[] = []
    async function step(what: string, run: () => unknown): Promise<void> {
      try {
        await withTimeout({ timeoutMs: stepTimeoutMs, what }, async () => run())
      } catch (caught) {
        const error = toSdError(caught, 'SD_UNAVAILABLE', what)
        errors.push(error)
        resolved.onError(error)
      }
    }
    state = 'stopping'
    drain.begin()
    if (starting) await step('waiting for the start', () => starting?.catch(() => undefined))
    if (registration) {
      await step('deregistering', () => registration?.deregister())
      await sleepReferenced(resolved.propagationDelayMs)
    }
    const drained = !server.listening || (await drain.finish(resolved.drainTimeoutMs))
    if (!drained) {
      const error = new SdError(
        'SD_TIMEOUT',
        `Requests were cut that took longer than drainTimeoutMs = ${resolved.drainTimeoutMs}`,
      )
      errors.push(error)
      resolved.onError(error)
    }
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

function withPort(
  instance: LifecycleOptions['instance'],
  address: ReturnType<LifecycleOptions['server']['address']>,
): InstanceSpec {
  if (instance.port !== undefined) return { ...instance, port: instance.port }
  if (typeof address === 'object' && address !== null) return { ...instance, port: address.port }
  throw invalid('instance.port', undefined, 'a port, because the server does not listen on one')
}

/** A wait that keeps the process alive: while it lasts, requests may still come. */
function sleepReferenced(durationMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, durationMs))
}
