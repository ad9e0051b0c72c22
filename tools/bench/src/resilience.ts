import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { callers } from './callers/callers.ts'
import { type Contender, measurePaired } from './paired.ts'
import { type Finding, formatRatio } from './report.ts'

const rounds = 25

/** Measures what policies, tracing and metrics add to a call, each caller in a process of its own. */
export async function benchResilience(): Promise<readonly Finding[]> {
  const children: ChildProcess[] = []
  async function start(script: URL, ...values: readonly (string | number)[]): Promise<[ChildProcess, unknown]> {
    const child = fork(fileURLToPath(script), values.map(String))
    children.push(child)
    return [child, await receive(child)]
  }
  try {
    const [, ports] = (await start(new URL('./server.ts', import.meta.url), 3)) as [ChildProcess, readonly number[]]
    const [, moleculerPort] = (await start(new URL('./callers/moleculer-process.ts', import.meta.url))) as [ChildProcess, number]
    const contenders: Contender[] = []
    for (const { name } of callers) {
      const [child] = await start(new URL('./callers/caller-process.ts', import.meta.url), name, moleculerPort, ...ports)
      contenders.push({ name, slice: () => runSlice(child) })
    }
    const results = await measurePaired(contenders, rounds)
    return results.map((result, index) => {
      const limit = callers[index]?.limit
      return {
        subject: `CPU per request: ${result.name}`,
        measured: `${formatRatio(result)}, ${result.cost.toFixed(0)} µs`,
        ...(limit !== undefined && { goal: `≤ ${limit} × undici`, met: result.ratio <= limit }),
      }
    })
  } finally {
    for (const child of children) if (child.connected) child.disconnect()
  }
}

async function runSlice(child: ChildProcess): Promise<number> {
  child.send('slice')
  return Number(await receive(child))
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
