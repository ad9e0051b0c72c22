import { callers } from './callers/callers.ts'
import { type Contender, measurePaired } from './paired.ts'
import { type Finding, formatRatio, judgeRatio } from './report.ts'
import { type SliceProcess, startSliceProcess } from './slice-process.ts'

const rounds = 25

/** Measures the cost of policies, tracing and metrics per call, each caller in a separate process. */
export async function benchResilience(): Promise<readonly Finding[]> {
  const processes: SliceProcess[] = []
  async function start(script: string, ...values: readonly (string | number)[]): Promise<SliceProcess> {
    const started = await startSliceProcess(new URL(script, import.meta.url), ...values)
    processes.push(started)
    return started
  }
  try {
    const ports = (await start('./server.ts', 3)).greeting as readonly number[]
    const moleculerPort = (await start('./callers/moleculer-process.ts')).greeting as number
    const contenders: Contender[] = []
    for (const { name } of callers) {
      const { slice } = await start('./callers/caller-process.ts', name, moleculerPort, ...ports)
      contenders.push({ name, slice })
    }
    const results = await measurePaired(contenders, rounds)
    return results.map((result, index) => {
      const limit = callers[index]?.limit
      return {
        subject: `CPU per request: ${result.name}`,
        measured: `${formatRatio(result)}, ${result.cost.toFixed(0)} µs`,
        ...(limit !== undefined && judgeRatio(result, limit, 'undici')),
      }
    })
  } finally {
    for (const started of processes) started.close()
  }
}
