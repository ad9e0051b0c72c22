import cluster, { type Worker } from 'node:cluster'
import { createBackoff, SdError } from '@sd/core'
import type { ListenerAddress } from '@sd/gateway'
import type { EventLog } from '../event-log.ts'
import type { MetricsRequest, WorkerMessage } from './messages.ts'

/** A worker that served for this long, in milliseconds, begins again with the shortest delay. */
const stableMs = 30_000
/** Time that a worker has to send its metrics, in milliseconds. */
const metricsTimeoutMs = 5_000

/** Processes that share the listeners. */
export interface WorkerPool {
  /** Whether at least one worker serves, and the end has not begun. */
  readonly isReady: boolean
  /** The metrics of all workers. Those of a worker that does not respond are missing. */
  metrics(): Promise<readonly (readonly object[])[]>
  /** Sends a signal to all workers. */
  signal(signal: NodeJS.Signals): void
  /** Drains and ends all workers. @returns whether all of them ended with code 0 */
  close(signal: NodeJS.Signals): Promise<boolean>
}

/** What the workers run. */
export interface WorkersOptions {
  /** Path of the program. */
  readonly exec: string
  /** Arguments of the program. */
  readonly args: readonly string[]
  /** Number of workers. */
  readonly count: number
}

interface WorkerState {
  readonly worker: Worker
  readonly startedAt: number
  isReady: boolean
}

/**
 * Starts workers, and starts them again when they end by themselves. Resolves once all of them serve.
 *
 * The workers accept connections from one listening socket that the parent keeps open, so that a connection that waits to be
 * accepted is not lost with the worker that would have accepted it, as it is with SO_REUSEPORT.
 *
 * @throws SdError `SD_UNAVAILABLE` if a worker ends before it serves; it has written why
 */
export async function startWorkers(
  { exec, args, count }: WorkersOptions,
  log: EventLog,
): Promise<WorkerPool & { readonly addresses: readonly ListenerAddress[] }> {
  cluster.schedulingPolicy = cluster.SCHED_NONE
  cluster.setupPrimary({ exec, args: [...args] })
  const pool = new Pool(log)
  try {
    const [addresses = []] = await Promise.all(Array.from({ length: count }, () => pool.fork()))
    pool.keep()
    return Object.assign(pool, { addresses })
  } catch (error) {
    await pool.close('SIGKILL')
    throw error
  }
}

class Pool implements WorkerPool {
  readonly #log: EventLog
  readonly #states = new Map<number, WorkerState>()
  readonly #answers = new Map<number, (metrics: readonly object[]) => void>()
  readonly #backoff = createBackoff({ baseMs: 100, maxMs: 10_000 })
  #isKept = false
  #isClosing = false
  #failed = false
  #onEmpty: (() => void) | undefined
  #lastId = 0

  constructor(log: EventLog) {
    this.#log = log
  }

  get isReady(): boolean {
    return !this.#isClosing && [...this.#states.values()].some((state) => state.isReady)
  }

  /** From now on, workers that end are started again. */
  keep(): void {
    this.#isKept = true
  }

  /** Starts a worker. Resolves with its addresses once it serves. */
  fork(): Promise<readonly ListenerAddress[]> {
    const worker = cluster.fork()
    const state: WorkerState = { worker, startedAt: performance.now(), isReady: false }
    this.#states.set(worker.id, state)
    return new Promise((resolve, reject) => {
      worker.on('message', (message: WorkerMessage) => {
        if (message.kind === 'ready') {
          state.isReady = true
          resolve(message.addresses)
        } else if (message.kind === 'draining') state.isReady = false
        else this.#answers.get(message.id)?.(message.metrics)
      })
      worker.on('exit', (code, signal) => {
        this.#end(state, code, signal)
        reject(new SdError('SD_UNAVAILABLE', `Worker ${worker.id} ended before it served`))
      })
    })
  }

  #end(state: WorkerState, code: number | null, signal: string | null): void {
    const { worker, startedAt } = state
    this.#states.delete(worker.id)
    if (this.#isClosing) {
      if (code !== 0) this.#failed = true
      if (this.#states.size === 0) this.#onEmpty?.()
      return
    }
    if (!this.#isKept) return
    if (performance.now() - startedAt > stableMs) this.#backoff.reset()
    const delayMs = Math.round(this.#backoff.next())
    const ended = { worker: worker.id, pid: worker.process.pid, exitCode: code, signal }
    this.#log.error('worker', new SdError('SD_UNAVAILABLE', 'A worker ended'), { ...ended, restartInMs: delayMs })
    setTimeout(() => {
      if (!this.#isClosing) this.#restart()
    }, delayMs)
  }

  #restart(): void {
    this.fork().then(
      () => this.#log.info('worker-restarted', { workers: this.#states.size }),
      // Its end has been logged, and the next restart is due.
      () => undefined,
    )
  }

  async metrics(): Promise<readonly (readonly object[])[]> {
    const ready = [...this.#states.values()].filter((state) => state.isReady)
    const all = await Promise.all(ready.map(({ worker }) => this.#metricsOf(worker)))
    return all.filter((metrics) => metrics.length > 0)
  }

  #metricsOf(worker: Worker): Promise<readonly object[]> {
    const id = ++this.#lastId
    return new Promise<readonly object[]>((resolve) => {
      const timer = setTimeout(() => resolve([]), metricsTimeoutMs)
      this.#answers.set(id, (metrics) => {
        clearTimeout(timer)
        resolve(metrics)
      })
      worker.send({ kind: 'metrics', id } satisfies MetricsRequest)
    }).finally(() => this.#answers.delete(id))
  }

  signal(signal: NodeJS.Signals): void {
    for (const { worker } of this.#states.values()) worker.process.kill(signal)
  }

  async close(signal: NodeJS.Signals): Promise<boolean> {
    this.#isClosing = true
    const ended = new Promise<void>((resolve) => {
      this.#onEmpty = resolve
    })
    this.signal(signal)
    if (this.#states.size > 0) await ended
    return !this.#failed
  }
}
