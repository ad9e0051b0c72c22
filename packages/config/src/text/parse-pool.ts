import { Worker } from 'node:worker_threads'
import { parseText, type TextToParse } from './parse.ts'
import type { ParseAnswer } from './parse-worker.ts'
import { TextError } from './text-error.ts'
import type { TextTree } from './text-tree.ts'

/** Texts from this length on, in characters, are read in a worker, so that the event loop goes on. */
const workerCharacters = 65_536
/** How long a worker without work is kept, in milliseconds. */
const idleMs = 30_000
/** How long a worker may take to start, in milliseconds. */
const startMs = 5_000

interface Job {
  readonly text: TextToParse
  readonly signal: AbortSignal
  readonly resolve: (answer: ParseAnswer | undefined) => void
}

/** Reads texts, long ones one after the other in a worker. */
export interface ParsePool {
  /** Reads a text. @throws TextError if it can't be read; the reason of the signal if that fires first: the worker is ended then */
  parse(text: TextToParse, signal: AbortSignal): Promise<TextTree>
}

/** Makes a pool of one worker, which starts with the first long text. @param startWorker throws where there are no workers */
export function createParsePool(startWorker: () => Worker = startParseWorker): ParsePool {
  const waiting: Job[] = []
  let worker: Promise<Worker | undefined> | undefined
  let isBusy = false
  // Such as in a bundle, which has no file for the worker: texts are read in place from then on.
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
      const answer = await new Promise<ParseAnswer | undefined>((resolve) => {
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

/** Starts a worker. @returns `undefined` if there can be none, such as in a bundle, which has no file for it */
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
      // The job under way handles its errors; without a job they concern nobody.
      started.on('error', () => undefined)
      resolve(result)
    }
    started.once('message', () => settle(started))
    started.on('error', fail).on('exit', fail)
  })
}

/** Lets a worker read one text, and settles the job with its answer. @param drop ends the worker, which then starts again for the next text */
function exchange(used: Worker, { text, signal, resolve }: Job, drop: (worker: Worker) => void): Promise<void> {
  return new Promise((done) => {
    function settle(answer: ParseAnswer | undefined): void {
      signal.removeEventListener('abort', onAbort)
      used.off('message', settle).off('error', onEnd).off('exit', onEnd)
      used.unref()
      resolve(answer)
      done()
    }
    function onEnd(): void {
      drop(used)
      settle({ kind: 'refused', reason: 'takes more memory than a text may take', line: undefined, column: undefined })
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
    // What the process was started with, such as a loader or an inspector, is not for a worker.
    execArgv: [],
    env: {},
    resourceLimits: { maxOldGenerationSizeMb: 512 },
  })
  worker.unref()
  return worker
}

/** The pool of this process. */
export const parsePool: ParsePool = createParsePool()
