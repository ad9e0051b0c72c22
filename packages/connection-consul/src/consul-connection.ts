import { closedError, createSemaphore, SdError, type Semaphore, sleep, withAnySignal, withTimeout } from '@sd/core'
import { AgentLoad } from './agent-load.ts'
import { type AgentRequests, type ConsulTarget, createAgentRequests } from './agent-requests.ts'
import { isAgentResponse, toConsulError } from './consul-errors.ts'
import type { ResolvedConsulConnectionOptions } from './options.ts'

/** Options of {@link ConsulConnection.run}. */
export interface RunOptions {
  /**
   * Whether to use reserved connections, so that the request does not wait for others. For requests that keep something
   * alive. @default false
   */
  readonly urgent?: boolean
}

/** Runs calls on the agent that responds, and switches to the next one when it does not. */
export interface ConsulConnection {
  /**
   * Runs an operation within the time limit, on the next agent if one is unreachable, and with a new token if one was
   * refused.
   *
   * @throws SdError that describes the failure
   */
  run<T>(operation: (target: ConsulTarget) => Promise<T>, signal?: AbortSignal, options?: RunOptions): Promise<T>
  /**
   * Runs a blocking query on a connection for blocking queries. It ends with an error as soon as the agent is known to
   * be unreachable.
   *
   * @param query runs the query, for at most the given time
   */
  block<T>(query: (target: ConsulTarget, waitMs: number) => Promise<T>, signal: AbortSignal): Promise<T>
  /** Closes every connection. */
  close(): void
}

/** A period in which one agent is used; it ends when that agent fails. */
interface Period {
  readonly index: number
  readonly over: AbortController
}

/** How long a blocking query waits if there are more watches than connections for them, in milliseconds. */
const crowdedWaitMs = 5_000

/** Creates a connection. Opens nothing until the first operation. */
export function createConsulConnection(settings: ResolvedConsulConnectionOptions): ConsulConnection {
  return new AgentConnection(settings)
}

class AgentConnection implements ConsulConnection {
  readonly #settings: ResolvedConsulConnectionOptions
  readonly #requests: AgentRequests
  readonly #loads: readonly AgentLoad[]
  readonly #blockSlots: Semaphore
  readonly #closing = new AbortController()
  #period: Period = { index: 0, over: new AbortController() }
  #watches = 0
  #isProbing = false

  constructor(settings: ResolvedConsulConnectionOptions) {
    const { servers, operationTimeoutMs, maxWatchConnections } = settings
    // Less than the caller's own limit, so that the error names the agent and there is time for the next one.
    const attemptLimitMs = (operationTimeoutMs * 0.9) / servers.length
    this.#settings = settings
    this.#requests = createAgentRequests(settings, attemptLimitMs)
    this.#loads = servers.map(() => new AgentLoad(settings, attemptLimitMs))
    this.#blockSlots = createSemaphore(maxWatchConnections)
  }

  /** Leaves an unreachable agent: ends requests that wait for it, and uses the next one. */
  #leave(failed: Period, error: SdError): void {
    const { servers } = this.#settings
    if (this.#period !== failed) return
    this.#period = { index: (failed.index + 1) % servers.length, over: new AbortController() }
    failed.over.abort(error)
  }

  async #attemptRun<T>(operation: (target: ConsulTarget) => Promise<T>, signal: AbortSignal, isUrgent: boolean): Promise<T> {
    const { servers, name } = this.#settings
    const used = this.#period
    const load = this.#loads[used.index] as AgentLoad
    try {
      const result = await load.run((ended) => this.#requests.send(used.index, ended, operation), signal, isUrgent)
      load.heed(undefined)
      return result
    } catch (caught) {
      const error = toConsulError(caught, name)
      load.heed(error)
      if (!isAgentResponse(error)) this.#requests.forgetCertificates()
      // A single agent that responds, even with an error, is not unreachable.
      if (error.retryable && !signal.aborted && (!isAgentResponse(error) || servers.length > 1)) this.#leave(used, error)
      throw error
    }
  }

  async #runUntil<T>(operation: (target: ConsulTarget) => Promise<T>, signal: AbortSignal, isUrgent: boolean): Promise<T> {
    const { servers, name } = this.#settings
    for (let attempt = 1; ; attempt++) {
      if (this.#closing.signal.aborted) throw closedError(name)
      try {
        return await this.#attemptRun(operation, signal, isUrgent)
      } catch (caught) {
        if (this.#closing.signal.aborted) throw closedError(name)
        const error = toConsulError(caught, name)
        if (signal.aborted || !error.retryable || attempt >= servers.length) throw error
      }
    }
  }

  async run<T>(
    operation: (target: ConsulTarget) => Promise<T>,
    callerSignal?: AbortSignal,
    { urgent = false }: RunOptions = {},
  ): Promise<T> {
    const { operationTimeoutMs, name } = this.#settings
    if (this.#closing.signal.aborted) throw closedError(name)
    const limit = { timeoutMs: operationTimeoutMs, what: `request to ${name}` }
    return withAnySignal([callerSignal, this.#closing.signal], async (signal) => {
      try {
        // Waiting for a connection takes no longer than an operation may.
        return await withTimeout({ ...limit, signal }, (either) => this.#runUntil(operation, either, urgent))
      } catch (error) {
        if (this.#closing.signal.aborted) throw closedError(name)
        throw error
      }
    })
  }

  async #wait<T>(index: number, signal: AbortSignal, query: (target: ConsulTarget, waitMs: number) => Promise<T>): Promise<T> {
    const { operationTimeoutMs, maxWatchConnections, waitMs, name } = this.#settings
    const release = await this.#blockSlots.acquire(signal)
    const queryWaitMs = this.#watches > maxWatchConnections ? Math.min(waitMs, crowdedWaitMs) : waitMs
    // Consul adds up to a sixteenth.
    const timeoutMs = Math.ceil(queryWaitMs * 1.0625) + operationTimeoutMs
    return withTimeout({ timeoutMs, what: `waiting for changes at ${name}`, signal }, (limit) =>
      this.#requests.send(index, limit, (target) => query(target, queryWaitMs)),
    ).finally(release)
  }

  async #attemptBlock<T>(query: (target: ConsulTarget, waitMs: number) => Promise<T>, signal: AbortSignal): Promise<T> {
    const { name } = this.#settings
    const used = this.#period
    try {
      return await withAnySignal([signal, used.over.signal], (either) => this.#wait(used.index, either, query))
    } catch (caught) {
      const error = toConsulError(caught, name)
      if (signal.aborted) throw error
      if (used.over.signal.aborted) throw used.over.signal.reason
      if (!isAgentResponse(error)) this.#requests.forgetCertificates()
      if (error.retryable && !isAgentResponse(error)) this.#leave(used, error)
      throw error
    }
  }

  /** While blocking queries wait, probes the agent, because a half-open connection reports no error. */
  async #keepProbing(): Promise<void> {
    const { operationTimeoutMs } = this.#settings
    if (this.#isProbing) return
    this.#isProbing = true
    while (this.#watches > 0 && !this.#closing.signal.aborted) {
      await sleep(operationTimeoutMs * (0.8 + Math.random() * 0.4), this.#closing.signal).catch(() => undefined)
      // Watches are already notified of its outcome.
      if (this.#watches > 0) await this.run(ping, undefined, { urgent: true }).catch(() => undefined)
    }
    this.#isProbing = false
  }

  async block<T>(query: (target: ConsulTarget, waitMs: number) => Promise<T>, watchSignal: AbortSignal): Promise<T> {
    const { signal: closing } = this.#closing
    if (closing.aborted) throw closedError(this.#settings.name)
    this.#watches++
    void this.#keepProbing()
    try {
      return await withAnySignal([watchSignal, closing], (signal) => this.#attemptBlock(query, signal))
    } finally {
      this.#watches--
    }
  }

  close(): void {
    this.#closing.abort(closedError(this.#settings.name))
    for (const load of this.#loads) load.close()
    this.#requests.close()
  }
}

/** Checks that the agent's cluster has a leader. @throws SdError `SD_UNAVAILABLE` if it has none */
export async function ping({ client, options }: ConsulTarget): Promise<void> {
  const [, leader] = await client.status.leader(options)
  if (typeof leader !== 'string' || leader === '') throw new SdError('SD_UNAVAILABLE', 'The cluster has no leader')
}
