import { type Generation, measureGenerations } from '../paired.ts'
import { type Finding, formatRatio, judgeRatio } from '../report.ts'
import { startSliceProcess } from '../slice-process.ts'
import type { CallerName } from './callers.ts'

const generations = 11
const rounds = 5
/** Time limit per protocol, in milliseconds. */
const maxMs = 60_000

/** Measures each caller in a separate process, restarted several times. */
export async function benchAlone(): Promise<readonly Finding[]> {
  return [
    ...(await compare('http', ['undici', 'undici Pool.request'], ['client', '@sd/client'], 1)),
    ...(await compare(
      'h2c',
      ['http2', 'node:http2 by hand, with a deadline'],
      ['clientOverHttp2', '@sd/client over HTTP/2'],
      1.1,
    )),
  ]
}

type Named = readonly [name: CallerName, title: string]

async function compare(protocol: string, baseline: Named, own: Named, limit: number): Promise<readonly Finding[]> {
  const server = await startSliceProcess(new URL('../server.ts', import.meta.url), 3, protocol)
  try {
    const start = (): Promise<Generation> => startCallers([baseline, own], server.greeting as readonly number[])
    const results = await measureGenerations(start, { generations, rounds, maxMs })
    return results.map((result) => ({
      subject: `CPU per request, in a separate process: ${result.name}`,
      measured: `${formatRatio(result)}, ${result.cost.toFixed(0)} µs`,
      ...(result.name === own[1] && judgeRatio(result, limit, baseline[1])),
    }))
  } finally {
    server.close()
  }
}

async function startCallers(callers: readonly Named[], ports: readonly number[]): Promise<Generation> {
  const script = new URL('./caller-process.ts', import.meta.url)
  const processes = await Promise.all(callers.map(([name]) => startSliceProcess(script, name, ...ports)))
  return {
    contenders: processes.map(({ slice }, index) => ({ name: callers[index]?.[1] ?? '', slice })),
    close() {
      for (const started of processes) started.close()
    },
  }
}
