import { Worker } from 'node:worker_threads'
import { parseText, type TextToParse } from './parse.ts'
import type { ParseResult } from './parse-worker.ts'
import { TextError } from './text-error.ts'
import type { TextTree } from './text-tree.ts'

/** Texts of at least this length, in characters, are parsed in a worker, so that they don't block the event loop. */
const workerCharacters = 65_536
/** Time after which an idle worker is terminated, in milliseconds. */
const idleMs = 30_000
/** Time limit for the start of a worker, in milliseconds. */
const startMs = 5_000

interface Job {
  readonly text: TextToParse
  readonly signal: AbortSignal
  readonly resolve: (answer: ParseResult | undefined) => void
}

/** Parses texts; long ones one after the other in a worker. */
export interface ParsePool {
  /** Parses a text. @throws TextError if it can't be read; the reason of the signal if that aborts first, which terminates the worker */
  parse(text: TextToParse, signal: AbortSignal): Promise<TextTree>
}

/** Creates a pool of one worker, which starts with the first long text. @param startWorker throws if workers are not available */
export function createParsePool(startWorker: () => Worker = startParseWorker): ParsePool {
  const waiting: Job[] = []
  let worker: Promise<Worker | undefined> | undefined
  let isBusy = false
  // For example in a bundle without the worker file: texts are then parsed on the main thread.
  let isImpossible = false
  let idle: ReturnType<typeof setTimeout> | undefined

  async function start(): Promise<Worker | undefined> {
    const started = await startSafely(startWorker)
    if (!started) isImpossible = true
    return started
  }

  function drop(used: Worker): void {
    worker = undefined
    void used.terminate()
  }

  async function run(job: Job): Promise<void> {
    worker ??= start()
    const used = await worker
    if (used) return exchange(used, job, drop)
    worker = undefined
    job.resolve(undefined)
  }

  async function work(): Promise<void> {
    isBusy = true
    clearTimeout(idle)
    for (let job = waiting.shift(); job; job = waiting.shift()) {
      if (job.signal.aborted) job.resolve(undefined)
      else await run(job)
    }
    isBusy = false
    const unused = worker
    if (!unused) return
    idle = setTimeout(() => void unused.then((found) => found && worker === unused && !isBusy && drop(found)), idleMs)
    idle.unref?.()
  }

  return {
    async parse(text, signal) {
      signal.throwIfAborted()
      if (text.format === 'text' || text.content.length < workerCharacters || isImpossible) return parseText(text)
      const answer = await new Promise<ParseResult | undefined>((resolve) => {
        waiting.push({ text, signal, resolve })
        if (!isBusy) void work()
      })
      signal.throwIfAborted()
      if (answer?.kind === 'read') return answer.text
      if (answer?.kind === 'refused') throw new TextError(answer.reason, answer.line, answer.column)
      return parseText(text)
    },
  }
}

/** Starts a worker. @returns `undefined` if that is impossible, for example in a bundle without the worker file */
function startSafely(startWorker: () => Worker): Promise<Worker | undefined> {
  return new Promise((resolve) => {
    let started: Worker
    try {
      started = startWorker()
    } catch {
      resolve(undefined)
      return
    }
    const timer = setTimeout(fail, startMs)
    function fail(): void {
      settle(undefined)
      void started.terminate()
    }
    function settle(result: Worker | undefined): void {
      clearTimeout(timer)
      started.off('error', fail).off('exit', fail)
      // The current job handles errors of the worker; without a job they have no effect.
      started.on('error', () => undefined)
      resolve(result)
    }
    started.once('message', () => settle(started))
    started.on('error', fail).on('exit', fail)
  })
}

/** Lets a worker parse one text and settles the job with the result. @param drop terminates the worker; the next text starts a new one */
function exchange(used: Worker, { text, signal, resolve }: Job, drop: (worker: Worker) => void): Promise<void> {
  return new Promise((done) => {
    function settle(answer: ParseResult | undefined): void {
      signal.removeEventListener('abort', onAbort)
      used.off('message', settle).off('error', onEnd).off('exit', onEnd)
      used.unref()
      resolve(answer)
      done()
    }
    function onEnd(): void {
      drop(used)
      settle({ kind: 'refused', reason: 'needs too much memory to parse', line: undefined, column: undefined })
    }
    function onAbort(): void {
      drop(used)
      settle(undefined)
    }
    used.ref()
    used.on('message', settle).on('error', onEnd).on('exit', onEnd)
    signal.addEventListener('abort', onAbort, { once: true })
    if (signal.aborted) onAbort()
    else used.postMessage(text)
  })
}

/** Starts the worker beside this file: in TypeScript in the repository, compiled in the package. */
function startParseWorker(): Worker {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
  const worker = new Worker(new URL(`./parse-worker.${extension}`, import.meta.url), {
    // Flags of the process, such as a loader or an inspector, must not apply to the worker.
    execArgv: [],
    env: {},
    resourceLimits: { maxOldGenerationSizeMb: 512 },
  })
  worker.unref()
  return worker
}

/** The pool of this process. */
export const parsePool: ParsePool = createParsePool()
