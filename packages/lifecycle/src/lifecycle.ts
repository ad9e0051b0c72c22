import {
  answerInquiries,
  guardListener,
  type InstanceSpec,
  invalidError,
  type LifecycleAnswer,
  type Registration,
  SdError,
  settlesWithin,
  sleep,
  toSdError,
  toWireError,
  untilAborted,
  withTimeout,
} from '@sd/core'
import { describeWork, type OpenWork } from './open-work.ts'
import { type LifecycleOptions, type ResolvedLifecycleOptions, resolveLifecycleOptions } from './options.ts'
import { createProbeResponse, type ProbeResponse } from './probe-response.ts'
import { joinShutdown, noteEnding, type ShutdownMember } from './shutdown-group.ts'

/**
 * - `created`: not started, or the start failed
 * - `starting`: waits for the server, then registers
 * - `ready`: may get traffic
 * - `stopping`: deregistered, finishing the requests in progress
 * - `stopped`: the server is closed and the hooks ran
 */
export type LifecycleState = 'created' | 'starting' | 'ready' | 'stopping' | 'stopped'

/** Result of a shutdown. */
export interface ShutdownReport {
  /** Whether all requests in progress ended by themselves. */
  readonly drained: boolean
  /** Work that was cut off at `drainTimeoutMs`, if the server reports it; absent if everything drained. */
  readonly cut?: OpenWork
  /** Errors of the shutdown, in order. */
  readonly errors: readonly SdError[]
}

/** The part of a request that `handleHealth` reads; fits `node:http` and `node:http2`. */
export interface HealthRequest {
  /** Path and query. */
  readonly url?: string | undefined
}

/** The part of a response that `handleHealth` uses; fits `node:http` and `node:http2`. */
export interface HealthResponse {
  /** Sends status and header fields. */
  writeHead(status: number, headers: Record<string, string>): unknown
  /** Sends the body and ends the response. */
  end(body: string): unknown
}

/** The lifecycle of one server in a registry. */
export interface Lifecycle extends AsyncDisposable {
  /** Current phase. */
  readonly state: LifecycleState
  /** The registration, once it exists. */
  readonly registration: Registration | undefined
  /**
   * Installs the signal handlers, waits until the server listens, and registers the instance. If the registry is
   * unreachable, it resolves anyway and the registration keeps trying. If `close()` is called while it waits, it resolves
   * without registering.
   *
   * @throws SdError `SD_INVALID` for an invalid instance, `SD_DENIED` if the registry refuses it, `SD_TIMEOUT` after
   *   `startTimeoutMs`, with the step that took too long, `SD_UNAVAILABLE` if the server can not listen, for example because
   *   its port is in use
   */
  start(): Promise<void>
  /**
   * Deregisters the instance, keeps serving until callers know, drains and closes the server, and runs the hooks. Every
   * step has a timeout, and a failed step does not prevent the next. Idempotent; never rejects.
   */
  close(): Promise<ShutdownReport>
  /**
   * The response for the liveness or readiness path, for any kind of server. Readiness is 200 while the state is `ready`
   * and the `health` reporter is ready; liveness is 200 while that reporter is live.
   *
   * @param path path without query
   * @returns `undefined` for another path
   */
  health(path: string): ProbeResponse | undefined
  /**
   * Handles a request for the liveness or readiness path with {@link Lifecycle.health}.
   *
   * @returns whether the request was for one of them; if not, it is untouched
   */
  handleHealth(request: HealthRequest, response: HealthResponse): boolean
}

/**
 * Creates the lifecycle of a server: registered once it can serve, deregistered before it stops.
 *
 * @throws SdError `SD_INVALID` that names the option
 */
export function createLifecycle(options: LifecycleOptions): Lifecycle {
  const resolved = resolveLifecycleOptions(options)
  const { registrar, server, health: source } = resolved
  const stopping = new AbortController()
  const phase = createPhase(() => registration)
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
    phase.enter('starting')
    leave = joinShutdown(member)
    try {
      await withinStartTimeout(register(), resolved, () => registering !== undefined)
    } catch (error) {
      if (!closing) phase.enter('created')
      throw error
    }
    if (!stopping.signal.aborted) phase.enter('ready')
  }

  async function register(): Promise<void> {
    const port = await Promise.race([untilListening(server), untilAborted(stopping.signal)])
    if (stopping.signal.aborted) return
    // A custom registrar may throw synchronously, or return something other than a promise.
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
    phase.enter('stopping')
    stopping.abort()
    const { report, step } = createSteps(resolved)
    await step('asking clients to leave', () => server.beginDrain?.())
    if (registering) await step('waiting for the registration', () => registering?.catch(() => undefined))
    // A registration that completed too late for start() is removed too.
    registration ??= await registering?.catch(() => undefined)
    if (registration) {
      await step('deregistering', () => registration?.deregister())
      await sleep(resolved.propagationDelayMs, undefined, true)
    }
    for (const [index, hook] of resolved.beforeDrain.entries()) await step(`beforeDrain[${index}]`, hook)
    const drained = await drain(resolved, step)
    for (const [index, hook] of resolved.onShutdown.entries()) await step(`onShutdown[${index}]`, hook)
    leave?.()
    phase.enter('stopped')
    phase.endAnswers()
    return report(drained)
  }

  const lifecycle: Lifecycle = {
    get state() {
      return phase.state
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
    health: (path) => respondToProbe(path, resolved, phase.state),
    handleHealth(request, response) {
      const result = lifecycle.health(request.url?.split('?', 1)[0] ?? '')
      if (!result) return false
      response.writeHead(result.status, { ...result.headers })
      response.end(result.body)
      return true
    },
    [Symbol.asyncDispose]: async () => void (await lifecycle.close()),
  }
  return lifecycle
}

interface Phase {
  readonly state: LifecycleState
  enter(next: LifecycleState): void
  endAnswers(): void
}

/** The phase of a lifecycle, which answers inquiries. */
function createPhase(registrationOf: () => Registration | undefined): Phase {
  let state: LifecycleState = 'created'
  let since = Date.now()
  const endAnswers = answerInquiries('lifecycle', () => {
    const registration = registrationOf()
    return [{ state, since, ...(registration && answerRegistration(registration)) }]
  })
  return {
    get state() {
      return state
    },
    enter(next) {
      state = next
      since = Date.now()
    },
    endAnswers,
  }
}

function answerRegistration({ instance, state, lastError }: Registration): Pick<LifecycleAnswer, 'registration'> {
  const { service, id: instanceId } = instance
  return { registration: { service, instanceId, state, ...(lastError && { lastError: toWireError(lastError) }) } }
}

/** Resolves with the port of a server. @throws SdError `SD_UNAVAILABLE` if it can't listen, for example because its port is in use */
async function untilListening(server: ResolvedLifecycleOptions['server']): Promise<number | undefined> {
  try {
    return await server.whenListening()
  } catch (error) {
    throw toSdError(error, 'SD_UNAVAILABLE', 'The server does not listen')
  }
}

/** @throws SdError what the start throws; `SD_TIMEOUT` that names the step that took too long */
async function withinStartTimeout(
  started: Promise<void>,
  { startTimeoutMs }: ResolvedLifecycleOptions,
  isRegistering: () => boolean,
): Promise<void> {
  if (await settlesWithin(started, startTimeoutMs)) return
  // close() reverts a registration that completes later.
  started.catch(() => undefined)
  const what = isRegistering() ? 'The registry did not accept the instance' : 'The server did not listen'
  const hint = isRegistering() ? '' : ': call its listen() first, and do not await start() in a hook that runs before it'
  throw new SdError('SD_TIMEOUT', `${what} within startTimeoutMs = ${startTimeoutMs} ms${hint}`)
}

/** The response for a probe path; `undefined` for another path. */
function respondToProbe(path: string, resolved: ResolvedLifecycleOptions, state: LifecycleState): ProbeResponse | undefined {
  const isLive = path === resolved.livePath
  if (!isLive && path !== resolved.readyPath) return undefined
  try {
    const found = resolved.health?.report()
    if (found instanceof Promise) {
      found.catch(() => undefined)
      throw invalidError('health.report', 'a function that returns a promise', 'a synchronous function')
    }
    if (isLive) return createProbeResponse(found?.isLive ?? true, 'not live', found?.checks)
    const isReady = state === 'ready' && (found?.isReady ?? true)
    return createProbeResponse(isReady, state === 'ready' ? 'not ready' : state, found?.checks)
  } catch (caught) {
    // A failing source says nothing about the process: it gets no traffic, but it is not restarted.
    resolved.onError(toSdError(caught, 'SD_UNAVAILABLE', 'health.report'))
    return createProbeResponse(isLive, 'health unknown', undefined)
  }
}

type Step = (what: string, run: () => unknown, timeoutMs?: number) => Promise<boolean>

/** Creates a runner of steps. Each step has a timeout, and a failed step does not prevent the next. */
function createSteps({ stepTimeoutMs, onError }: ResolvedLifecycleOptions): {
  /** Runs a step. @returns whether it succeeded */
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

/** Waits for the server to drain, and cuts off the rest at the timeout. */
async function drain({ server, drainTimeoutMs }: ResolvedLifecycleOptions, step: Step): Promise<DrainEnd> {
  let cut: OpenWork | undefined
  async function finish(): Promise<void> {
    if (await settlesWithin(server.finishDrain(), drainTimeoutMs)) return
    cut = server.remaining?.()
    const what = (cut && describeWork(cut)) || 'unfinished work'
    throw new SdError('SD_TIMEOUT', `Cut after drainTimeoutMs = ${drainTimeoutMs} ms: ${what}`)
  }
  // The step's own timeout is never reached first.
  const drained = await step('draining', finish, drainTimeoutMs + 60_000)
  if (!drained) await step('closing the remaining connections', () => server.destroy())
  return { drained, cut }
}

function withPort(instance: LifecycleOptions['instance'], listening: number | undefined): InstanceSpec {
  const port = instance.port ?? listening
  if (port === undefined) throw invalidError('instance.port', undefined, 'a port, because the server does not report its own')
  return { ...instance, port }
}
