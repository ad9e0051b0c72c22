import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** A process that says something once it is ready, and then runs slices. */
export interface SliceProcess {
  /** What it said when it was ready. */
  readonly greeting: unknown
  /** Has it run a slice. @returns the cost of one unit @throws if the process ends instead */
  slice(): Promise<number>
  /** Lets it end. */
  close(): void
}

/** Starts a script in a process of its own. @throws if it ends instead of being ready */
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

/** In such a process: says that it is ready, runs a slice whenever it is told, and ends with the process that started it. @param greeting what it says */
export function serveSlices(slice: () => number | Promise<number>, greeting: number | string = 'ready'): void {
  process.on('message', async () => process.send?.(await slice()))
  process.on('disconnect', () => process.exit())
  process.send?.(greeting)
}

/** The next message of a process. @throws if it ends instead */
async function receive(child: ChildProcess): Promise<unknown> {
  const over = new AbortController()
  try {
    const [message] = (await Promise.race([
      once(child, 'message', { signal: over.signal }),
      once(child, 'exit', { signal: over.signal }).then(([code]) => {
        throw new Error(`${child.spawnargs.slice(1).join(' ')} ended with ${code}: the run is refused`)
      }),
    ])) as [unknown]
    return message
  } finally {
    over.abort()
  }
}
