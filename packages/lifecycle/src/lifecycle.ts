import {
  guardListener,
  type InstanceSpec,
  invalidError,
  type Registration,
  SdError,
  settlesWithin,
  sleep,
  toSdError,
  untilAborted,
  withTimeout,
} from '@sd/core'
import { createHealthAnswer, type HealthAnswer } from './health-answer.ts'
import { describeWork, type OpenWork } from './open-work.ts'
import { type LifecycleOptions, type ResolvedLifecycleOptions, resolveLifecycleOptions } from './options.ts'
import { joinShutdown, noteEnding, type ShutdownMember } from './shutdown-group.ts'

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
  /** What was cut at `drainTimeoutMs`, where the server can tell; absent if it drained. */
  readonly cut?: OpenWork
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
   * Installs the signal handlers, waits until the server listens and registers the instance. With the registry unreachable it resolves
   * too, and the registration goes on trying. Closed while it waits, it resolves and registers nothing.
   *
   * @throws SdError `SD_INVALID` for a bad instance, `SD_DENIED` if the registry refuses, `SD_TIMEOUT` after `startTimeoutMs`, which says
   *   what it waited for
   */
  start(): Promise<void>
  /**
   * Takes the instance out of the registry, goes on serving until callers know, drains and closes the server, runs the hooks. Every step
   * has a limit, and one that fails does not keep the next from running. Idempotent; never rejects.
   */
  close(): Promise<ShutdownReport>
  /**
   * The answer for the liveness or readiness path, for servers of any kind: readiness is 200 while the state is `ready` and the `health`
   * reporter says so, liveness while that reporter does.
   *
   * @param path without query
   * @returns `undefined` for another path
   */
  health(path: string): HealthAnswer | undefined
  /**
   * Answers a request for the liveness or readiness path, as {@link Lifecycle.health} says.
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
  const resolved = resolveLifecycleOptions(options)
  const { registrar, server, health: source } = resolved
  const stopping = new AbortController()
  let state: LifecycleState = 'created'
  let registration: Registration | undefined
  let starting: Promise<void> | undefined
  let registering: Promise<Registration> | undefined
  let closing: Promise<ShutdownReport> | undefined
  let leave: (() => void) | undefined

  const member: ShutdownMember = {
    signals: resolved.signals,
    exit: resolved.exit,
    close: async () => (await lifecycle.close()).errors.length === 0,
  }

  async function start(): Promise<void> {
    if (closing) return
    state = 'starting'
    leave = joinShutdown(member)
    const started = register()
    if (!(await settlesWithin(started, resolved.startTimeoutMs))) {
      // What comes of it later is for close() to take back.
      started.catch(() => undefined)
      const what = registering ? 'the registry took the instance' : 'the server listened'
      const hint = registering ? '' : ': call its listen() first, and do not await start() in a hook that runs before it'
      throw new SdError('SD_TIMEOUT', `startTimeoutMs = ${resolved.startTimeoutMs} ms were over before ${what}${hint}`)
    }
    if (!stopping.signal.aborted) state = 'ready'
  }

  async function register(): Promise<void> {
    const port = await Promise.race([server.whenListening(), untilAborted(stopping.signal)])
    if (stopping.signal.aborted) return
    // A registrar of another making may throw, or return what is no promise.
    const instance = withPort(resolved.instance, port ?? undefined)
    registering = (async () => registrar.register(instance, { whenUnavailable: 'recover' }))()
    registration = await registering
    guardListener(
      'health.addRegistration',
      (made: Registration) => source?.addRegistration?.(made),
      resolved.onError,
    )(registration)
  }

  async function close(): Promise<ShutdownReport> {
    state = 'stopping'
    stopping.abort()
    const { report, step } = createSteps(resolved)
    await step('asking clients to leave', () => server.beginDrain?.())
    if (registering) await step('waiting for the registration', () => registering?.catch(() => undefined))
    // One that came too late for start() is taken out too.
    registration ??= await registering?.catch(() => undefined)
    if (registration) {
      await step('deregistering', () => registration?.deregister())
      await sleep(resolved.propagationDelayMs, undefined, true)
    }
    for (const [index, hook] of resolved.beforeDrain.entries()) await step(`beforeDrain[${index}]`, hook)
    const drained = await drain(resolved, step)
    for (const [index, hook] of resolved.onShutdown.entries()) await step(`onShutdown[${index}]`, hook)
    leave?.()
    state = 'stopped'
    return report(drained)
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
      if (!closing) {
        closing = close()
        noteEnding(
          member,
          closing.then(({ errors }) => errors.length === 0),
        )
      }
      return closing
    },
    health: (path) => answerHealth(path, resolved, state),
    handleHealth(request, response) {
      const answer = lifecycle.health(request.url?.split('?', 1)[0] ?? '')
      if (!answer) return false
      response.writeHead(answer.status, { ...answer.headers })
      response.end(answer.body)
      return true
    },
    [Symbol.asyncDispose]: async () => void (await lifecycle.close()),
  }
  return lifecycle
}

/** The response for a path of a probe; `undefined` for another path. */
function answerHealth(path: string, resolved: ResolvedLifecycleOptions, state: LifecycleState): HealthAnswer | undefined {
  const isLive = path === resolved.livePath
  if (!isLive && path !== resolved.readyPath) return undefined
  try {
    const found = resolved.health?.report()
    if (found instanceof Promise) {
      found.catch(() => undefined)
      throw invalidError('health.report', 'a function that returns a promise', 'one that returns a report')
    }
    if (isLive) return createHealthAnswer(found?.isLive ?? true, 'not live', found?.checks)
    const isReady = state === 'ready' && (found?.isReady ?? true)
    return createHealthAnswer(isReady, state === 'ready' ? 'not ready' : state, found?.checks)
  } catch (caught) {
    // A source that fails says nothing of the process: it gets no traffic, and is not killed for it.
    resolved.onError(toSdError(caught, 'SD_UNAVAILABLE', 'health.report'))
    return createHealthAnswer(isLive, 'health is not known', undefined)
  }
}

type Step = (what: string, run: () => unknown, timeoutMs?: number) => Promise<boolean>

/** Steps of which each has a limit, and none keeps the next from running. */
function createSteps({ stepTimeoutMs, onError }: ResolvedLifecycleOptions): {
  /** Runs a step. @returns whether it went well */
  readonly step: Step
  readonly report: (drained: DrainEnd) => ShutdownReport
} {
  const errors: SdError[] = []
  return {
    async step(what, run, timeoutMs = stepTimeoutMs) {
      try {
        await withTimeout({ timeoutMs, what }, async () => run())
        return true
      } catch (caught) {
        const error = toSdError(caught, 'SD_UNAVAILABLE', what)
        errors.push(error)
        onError(error)
        return false
      }
    },
    report: ({ drained, cut }) => ({ drained, ...(cut && { cut }), errors }),
  }
}

interface DrainEnd {
  readonly drained: boolean
  readonly cut: OpenWork | undefined
}

/** Waits for what the server still does, and cuts what takes too long. */
async function drain({ server, drainTimeoutMs }: ResolvedLifecycleOptions, step: Step): Promise<DrainEnd> {
  let cut: OpenWork | undefined
  async function finish(): Promise<void> {
    if (await settlesWithin(server.finishDrain(), drainTimeoutMs)) return
    cut = server.remaining?.()
    const what = (cut && describeWork(cut)) || 'what was under way'
    throw new SdError('SD_TIMEOUT', `Cut after drainTimeoutMs = ${drainTimeoutMs} ms: ${what}`)
  }
  // The step's own limit never comes first.
  const drained = await step('draining', finish, drainTimeoutMs + 60_000)
  if (!drained) await step('cutting what was open', () => server.destroy())
  return { drained, cut }
}

function withPort(instance: LifecycleOptions['instance'], listening: number | undefined): InstanceSpec {
  const port = instance.port ?? listening
  if (port === undefined) throw invalidError('instance.port', undefined, 'a port, because the server does not tell one')
  return { ...instance, port }
}
