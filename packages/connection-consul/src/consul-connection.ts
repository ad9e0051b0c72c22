import type { EventEmitter } from 'node:events'
import http from 'node:http'
import https from 'node:https'
import { checkSecret, resolveProvided } from '@sd/adapter-kit'
import { closedError, createBackoff, createSemaphore, SdError, sleep, withAnySignal, withTimeout } from '@sd/core'
import { createTlsSource, type TlsCertificates } from '@sd/tls'
import { type CallOptions, type ConsulClient, callLibrary, createClient, failedOnReusedSocket } from './consul-client.ts'
import { isAnswer, responseOf, toConsulError } from './consul-errors.ts'
import type { ResolvedConsulConnectionOptions } from './options.ts'
import { createRequestLane } from './request-lane.ts'

/** One agent, as a call sees it. */
export interface ConsulTarget {
  /** The library's client. */
  readonly client: ConsulClient
  /** What every call of the library takes along. */
  readonly options: CallOptions
  /** The token as a header, for requests that the library has no method for. */
  readonly headers: Readonly<Record<string, string>>
}

/** Options of {@link ConsulConnection.run}. */
export interface RunOptions {
  /** Whether it goes on connections of its own, so that it waits for no other request: for what keeps something alive. @default false */
  readonly urgent?: boolean
}

/** Runs calls on the agent that answers, and moves on to the next one when it does not. */
export interface ConsulConnection {
  /**
   * Runs an operation within the time limit, on the next agent if one is away, and with a new token if one was refused.
   *
   * @throws SdError that says what the failure means
   */
  run<T>(operation: (target: ConsulTarget) => Promise<T>, signal?: AbortSignal, options?: RunOptions): Promise<T>
  /**
   * Runs a blocking query on a connection for such. It ends with an error as soon as the agent is known to be away.
   *
   * @param query what to run, given how long it may wait
   */
  block<T>(query: (target: ConsulTarget, waitMs: number) => Promise<T>, signal: AbortSignal): Promise<T>
  /** Closes every connection. */
  close(): void
}

/** One time of using one agent; over when that has failed. */
interface Period {
  readonly index: number
  readonly over: AbortController
}

/** Connections to one agent for what is urgent. */
const urgentConnections = 4

/** Longest pause after an agent said that it is asked too much, whatever it asks for, in milliseconds. */
const maxPauseMs = 30_000

/** How long a blocking query waits while there are more watches than connections for them, in milliseconds. */
const crowdedWaitMs = 5_000

/** Opens nothing yet: the first operation does. */
export function createConsulConnection(settings: ResolvedConsulConnectionOptions): ConsulConnection {
  const { endpoints, operationTimeoutMs, maxWatchConnections, waitMs, name } = settings
  const agent = createAgent(settings)
  const tls = settings.tls && createTlsSource(settings.tls)
  let certificates: TlsCertificates = {}
  const clients = endpoints.map((endpoint) => createClient(endpoint, agent, () => certificates))
  const lanes = endpoints.map(() => ({
    run: createRequestLane(settings.maxConnections),
    urgent: createRequestLane(urgentConnections),
    pause: { untilMs: 0, backoff: createBackoff({ baseMs: 1_000, maxMs: maxPauseMs }) },
  }))
  const blockSlots = createSemaphore(maxWatchConnections)
  const closing = new AbortController()
  // Less than the caller's own limit, so that an agent that does not answer is blamed for it and there is time for the next.
  const attemptLimitMs = (operationTimeoutMs * 0.9) / endpoints.length
  let period: Period = { index: 0, over: new AbortController() }
  let login: Promise<string | undefined> | undefined
  let watches = 0
  let isProbing = false

  /** The agent is away: what still waits for it ends, and what comes goes to the next one. */
  function leave(failed: Period, error: SdError): void {
    if (period !== failed) return
    period = { index: (failed.index + 1) % endpoints.length, over: new AbortController() }
    failed.over.abort(error)
  }

  /** The token, asked for once until it is refused. */
  function obtainToken(): Promise<string | undefined> {
    const { token } = settings
    if (token === undefined) return Promise.resolve(undefined)
    if (login) return login
    const asked = withTimeout({ timeoutMs: attemptLimitMs, what: 'a token' }, () => resolveProvided<string>(token))
      .then((given) => checkSecret('token', given))
      .catch((error: unknown) => {
        if (login === asked) login = undefined
        throw new SdError('SD_UNAVAILABLE', `${name} was given no token`, { cause: error })
      })
    login = asked
    return asked
  }

  /** Reads the certificates again. Connections that wait for a request were made with the old ones: the next takes a new one. */
  async function readCertificates(): Promise<void> {
    const now = await tls?.current()
    if (now === undefined || now === certificates) return
    certificates = now
    for (const sockets of Object.values(agent.freeSockets)) for (const socket of sockets ?? []) socket.destroy()
  }

  async function request<T>(index: number, signal: AbortSignal, call: (target: ConsulTarget) => Promise<T>): Promise<T> {
    const client = clients[index] as ConsulClient
    const token = await obtainToken()
    await readCertificates()
    const headers: Record<string, string> = token === undefined ? {} : { 'x-consul-token': token }
    const send = (ctx: EventEmitter): Promise<T> =>
      call({ client, headers, options: { ctx, ...(token !== undefined && { token }) } })
    try {
      return await callLibrary(signal, send)
    } catch (error) {
      // Every call here says how things should be, and so may be repeated.
      if (!failedOnReusedSocket(error) || signal.aborted) throw toConsulError(error, name)
      return callLibrary(signal, send)
    }
  }

  /** A request, and once more if its token was refused and there may be a new one. */
  async function send<T>(index: number, signal: AbortSignal, call: (target: ConsulTarget) => Promise<T>): Promise<T> {
    const used = obtainToken()
    try {
      await used
      return await request(index, signal, call)
    } catch (caught) {
      const error = toConsulError(caught, name)
      if (error.code !== 'SD_DENIED' || typeof settings.token !== 'function') throw error
      // Another request may have got a new one meanwhile.
      if (login === used) login = undefined
      return request(index, signal, call)
    }
  }

  /** Why the agent should not be asked now; waits a moment if that is over soon. */
  async function checkAsked(index: number, isUrgent: boolean, signal: AbortSignal): Promise<void> {
    const { run: lane, pause } = lanes[index] as (typeof lanes)[number]
    if (isUrgent) return
    const pauseMs = pause.untilMs - performance.now()
    if (pauseMs > Math.min(1_000, attemptLimitMs / 2) || (pauseMs > 0 && endpoints.length > 1)) {
      throw new SdError('SD_UNAVAILABLE', `${name} was asked too much: not asked for ${Math.ceil(pauseMs)} ms`)
    }
    if (pauseMs > 0) await sleep(pauseMs, signal, true)
    if (lane.blocked && endpoints.length > 1) {
      throw new SdError('SD_UNAVAILABLE', `${name} has responded to none of ${settings.maxConnections} requests`)
    }
  }

  /** An agent that is asked too much is left alone for a while. */
  function heedPause(index: number, error: SdError | undefined): void {
    const { pause } = lanes[index] as (typeof lanes)[number]
    const response = error && responseOf(error)
    // There the status is that of the service: 429 is a warning.
    if (response?.path.startsWith('/v1/agent/health/')) return
    if (response?.status === 429 || response?.retryAfterMs !== undefined) {
      const askedMs = Math.min(Math.max(response.retryAfterMs ?? 0, 0), maxPauseMs)
      pause.untilMs = performance.now() + Math.max(askedMs, pause.backoff.next())
    } else if (error === undefined) {
      pause.backoff.reset()
    }
  }

  async function attemptRun<T>(
    operation: (target: ConsulTarget) => Promise<T>,
    signal: AbortSignal,
    isUrgent: boolean,
  ): Promise<T> {
    const used = period
    const { run: lane, urgent } = lanes[used.index] as (typeof lanes)[number]
    try {
      await checkAsked(used.index, isUrgent, signal)
      const limit = { timeoutMs: attemptLimitMs, what: `request to ${name}`, signal }
      const result = await (isUrgent ? urgent : lane).run((ended) => send(used.index, ended, operation), limit)
      heedPause(used.index, undefined)
      return result
    } catch (caught) {
      const error = toConsulError(caught, name)
      heedPause(used.index, error)
      if (!isAnswer(error)) tls?.forget()
      // An only agent that answers, however badly, has not gone away.
      if (error.retryable && !signal.aborted && (!isAnswer(error) || endpoints.length > 1)) leave(used, error)
      throw error
    }
  }

  async function runUntil<T>(
    operation: (target: ConsulTarget) => Promise<T>,
    signal: AbortSignal,
    isUrgent: boolean,
  ): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      if (closing.signal.aborted) throw closedError(name)
      try {
        return await attemptRun(operation, signal, isUrgent)
      } catch (caught) {
        if (closing.signal.aborted) throw closedError(name)
        const error = toConsulError(caught, name)
        if (signal.aborted || !error.retryable || attempt >= endpoints.length) throw error
      }
    }
  }

  const run: ConsulConnection['run'] = async (operation, callerSignal, { urgent = false } = {}) => {
    if (closing.signal.aborted) throw closedError(name)
    const limit = { timeoutMs: operationTimeoutMs, what: `request to ${name}` }
    return withAnySignal([callerSignal, closing.signal], async (signal) => {
      try {
        // Those who wait for a connection wait no longer than an operation may take.
        return await withTimeout({ ...limit, signal }, (either) => runUntil(operation, either, urgent))
      } catch (error) {
        if (closing.signal.aborted) throw closedError(name)
        throw error
      }
    })
  }

  async function wait<T>(
    index: number,
    signal: AbortSignal,
    query: (target: ConsulTarget, waitMs: number) => Promise<T>,
  ): Promise<T> {
    const release = await blockSlots.acquire(signal)
    const queryWaitMs = watches > maxWatchConnections ? Math.min(waitMs, crowdedWaitMs) : waitMs
    // Consul adds up to a sixteenth.
    const timeoutMs = Math.ceil(queryWaitMs * 1.0625) + operationTimeoutMs
    return withTimeout({ timeoutMs, what: `waiting for changes at ${name}`, signal }, (limit) =>
      send(index, limit, (target) => query(target, queryWaitMs)),
    ).finally(release)
  }

  async function attemptBlock<T>(query: (target: ConsulTarget, waitMs: number) => Promise<T>, signal: AbortSignal): Promise<T> {
    const used = period
    try {
      return await withAnySignal([signal, used.over.signal], (either) => wait(used.index, either, query))
    } catch (caught) {
      const error = toConsulError(caught, name)
      if (signal.aborted) throw error
      if (used.over.signal.aborted) throw used.over.signal.reason
      if (!isAnswer(error)) tls?.forget()
      if (error.retryable && !isAnswer(error)) leave(used, error)
      throw error
    }
  }

  /** While something waits for changes, asks now and then whether the agent is there: a half-open connection says nothing. */
  async function keepProbing(): Promise<void> {
    if (isProbing) return
    isProbing = true
    while (watches > 0 && !closing.signal.aborted) {
      await sleep(operationTimeoutMs * (0.8 + Math.random() * 0.4), closing.signal).catch(() => undefined)
      // What it finds out it has told the watches already.
      if (watches > 0) await run(ping, undefined, { urgent: true }).catch(() => undefined)
    }
    isProbing = false
  }

  return {
    run,
    async block(query, watchSignal) {
      if (closing.signal.aborted) throw closedError(name)
      watches++
      void keepProbing()
      try {
        return await withAnySignal([watchSignal, closing.signal], (signal) => attemptBlock(query, signal))
      } finally {
        watches--
      }
    },
    close() {
      closing.abort(closedError(name))
      for (const { run: lane, urgent } of lanes) for (const one of [lane, urgent]) one.close()
      agent.destroy()
    },
  }
}

/** Asks the agent whether its cluster has a leader. @throws SdError `SD_UNAVAILABLE` if it has none */
export async function ping({ client, options }: ConsulTarget): Promise<void> {
  const [, leader] = await client.status.leader(options)
  if (typeof leader !== 'string' || leader === '') throw new SdError('SD_UNAVAILABLE', 'The cluster has no leader')
}

function createAgent({ endpoints, tls }: ResolvedConsulConnectionOptions): http.Agent {
  const options = { keepAlive: true, scheduling: 'lifo' } as const
  if (!endpoints[0]?.secure) return new http.Agent(options)
  return new https.Agent({ ...options, ...(tls?.serverName !== undefined && { servername: tls.serverName }) })
}
