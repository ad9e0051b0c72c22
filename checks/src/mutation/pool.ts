import { type ChildProcess, fork } from 'node:child_process'
import { EventEmitter } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { PoolOptions, PoolRunnerInitializer, PoolWorker } from 'vitest/node'
import type { Job, JobMessage, JobResult, WorkerMessage } from './protocol.ts'

const entry = fileURLToPath(new URL('worker.ts', import.meta.url))

/** Memory limit of a worker: a mutant must not use up the machine's memory. */
const memoryMb = 1_500

/** A worker whose process leaves resources open is replaced; any other one is replaced after this number of jobs. */
const longestUse = 400

/** Runs jobs in long-lived processes; a hanging one is ended and replaced. */
export interface MutationPool {
  /** For `test.pool` of vitest: it has as many workers as vitest starts. */
  readonly initializer: PoolRunnerInitializer
  /** Runs a job on the next free worker, for at most `limitMs`. */
  readonly run: (job: Job, limitMs: number) => Promise<JobResult | 'timed out' | 'crashed'>
  /** Lets vitest end. */
  readonly end: () => void
}

/** Creates an empty pool. */
export function createMutationPool(): MutationPool {
  const free: MutationWorker[] = []
  const waiting: ((worker: MutationWorker) => void)[] = []
  const all: MutationWorker[] = []
  const release = (worker: MutationWorker): void => {
    const next = waiting.shift()
    if (next) next(worker)
    else free.push(worker)
  }
  return {
    initializer: {
      name: 'mutation',
      createPoolWorker(options) {
        const worker = new MutationWorker(options, release)
        all.push(worker)
        return worker
      },
    },
    async run(job, limitMs) {
      const worker = free.shift() ?? (await new Promise<MutationWorker>((resolve) => waiting.push(resolve)))
      const result = await worker.run(job, limitMs)
      release(worker)
      return result
    },
    end() {
      for (const worker of all) worker.end()
    },
  }
}

type Answer = Extract<WorkerMessage, { readonly mutation: 'result' }>

function ask(child: ChildProcess, job: Job, limitMs: number): Promise<Answer | 'timed out' | 'crashed'> {
  return new Promise((resolve) => {
    const settle = (answer: Answer | 'timed out' | 'crashed'): void => {
      clearTimeout(timer)
      child.off('message', onMessage).off('exit', onExit)
      resolve(answer)
    }
    const onMessage = (message: WorkerMessage): void => void (message.mutation === 'result' && settle(message))
    const onExit = (): void => settle('crashed')
    // It must not keep this process alive after the pool was ended for another reason.
    const timer = setTimeout(() => settle('timed out'), limitMs).unref()
    child.on('message', onMessage).on('exit', onExit)
    const message: JobMessage = { mutation: 'job', job }
    child.send(message, (error) => error && onExit())
  })
}

/** One worker of vitest, which may use several processes, one after the other. */
class MutationWorker implements PoolWorker {
  readonly name = 'mutation'
  readonly cacheFs = true
  readonly #options: PoolOptions
  readonly #release: (worker: MutationWorker) => void
  readonly #emitter = new EventEmitter()
  #child: ChildProcess | undefined
  #ready: Promise<void> = Promise.resolve()
  #requests: unknown[] = []
  #uses = 0
  #isReleased = false

  constructor(options: PoolOptions, release: (worker: MutationWorker) => void) {
    this.#options = options
    this.#release = release
  }

  on(event: string, callback: (...args: never[]) => void): void {
    this.#emitter.on(event, callback as () => void)
  }

  off(event: string, callback: (...args: never[]) => void): void {
    this.#emitter.off(event, callback as () => void)
  }

  deserialize(data: unknown): unknown {
    return data
  }

  send(message: unknown): void {
    const { type, __vitest_worker_request__: isRequest } = message as { type?: string; __vitest_worker_request__?: boolean }
    // Its process has no work to finish.
    if (isRequest && type === 'stop') {
      setImmediate(() => this.#emitter.emit('message', { __vitest_worker_response__: true, type: 'stopped' }))
      return
    }
    // A later process needs the same message.
    if (isRequest) this.#requests.push(message)
    if (this.#child?.connected) this.#child.send(message as object)
  }

  async start(): Promise<void> {
    this.#fork()
  }

  async stop(): Promise<void> {
    this.#child?.removeAllListeners().kill('SIGKILL')
  }

  end(): void {
    this.#emitter.emit('message', { __vitest_worker_response__: true, type: 'testfileFinished' })
  }

  async run(job: Job, limitMs: number): Promise<JobResult | 'timed out' | 'crashed'> {
    await this.#ready
    const outcome = await ask(this.#child as ChildProcess, job, limitMs)
    this.#uses += 1
    if (typeof outcome === 'string' || !outcome.isClean || this.#uses >= longestUse) this.#renew()
    return typeof outcome === 'string' ? outcome : outcome.result
  }

  #renew(): void {
    this.#child?.removeAllListeners().kill('SIGKILL')
    this.#fork()
    this.#child?.send(this.#requests[0] as object)
  }

  #fork(): void {
    const { env, execArgv } = this.#options
    const child = fork(entry, [], {
      env: env as NodeJS.ProcessEnv,
      execArgv: [...execArgv, `--max-old-space-size=${memoryMb}`],
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    })
    const isRenewed = this.#isReleased
    this.#child = child
    this.#uses = 0
    child.on('error', () => {})
    this.#ready = new Promise((resolve, reject) => {
      child.once('exit', (code) => reject(new Error(`A worker of the mutation run ended with ${code} before its first job`)))
      child.on('message', (message: Partial<WorkerMessage> & { readonly type?: string }) => {
        if (message.mutation === 'ready') {
          resolve()
          if (!this.#isReleased) this.#release(this)
          this.#isReleased = true
        } else if (message.mutation === undefined) {
          // vitest only receives the start of the first process, and has sent its files to that one.
          if (message.type !== 'started' || !isRenewed) this.#emitter.emit('message', message)
          else for (const request of this.#requests.slice(1)) child.send(request as object)
        }
      })
    })
  }
}
