import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** A process that sends a greeting when it is ready, and then runs slices. */
export interface SliceProcess {
  /** The greeting. */
  readonly greeting: unknown
  /** Runs a slice in the process. @returns the cost of one unit @throws if the process ends instead */
  slice(): Promise<number>
  /** Ends the process. */
  close(): void
}

/** Starts a script in a separate process. @throws if it ends before it is ready */
export async function startSliceProcess(script: URL, ...values: readonly (string | number)[]): Promise<SliceProcess> {
  const child = fork(fileURLToPath(script), values.map(String))
  const greeting = await receive(child)
  return {
    greeting,
    async slice() {
      child.send('slice')
      return Number(await receive(child))
    },
    close() {
      if (child.connected) child.disconnect()
    },
  }
}

/** In such a process: sends the greeting, runs a slice on each message, and ends with its parent process. @param greeting first message */
export function serveSlices(slice: () => number | Promise<number>, greeting: number | string = 'ready'): void {
  process.on('message', async () => process.send?.(await slice()))
  process.on('disconnect', () => process.exit())
  process.send?.(greeting)
}

/** Receives the next message of a process. @throws if it ends instead */
async function receive(child: ChildProcess): Promise<unknown> {
  const over = new AbortController()
  try {
    const [message] = (await Promise.race([
      once(child, 'message', { signal: over.signal }),
      once(child, 'exit', { signal: over.signal }).then(([code]) => {
        throw new Error(`${child.spawnargs.slice(1).join(' ')} ended with ${code}: the run is invalid`)
      }),
    ])) as [unknown]
    return message
  } finally {
    over.abort()
  }
}
