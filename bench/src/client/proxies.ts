import { Pool } from 'undici'
import { type Contender, type Generation, measureGenerations } from '../paired.ts'
import { sendMany } from '../per-request.ts'
import { type Finding, formatRatio, judgeRatio } from '../report.ts'
import { type SliceProcess, startSliceProcess } from '../slice-process.ts'

const generations = 11
const rounds = 5
/** Time limit, in milliseconds. */
const maxMs = 60_000
const requests = 4_000

const proxies = [
  { kind: 'undici', name: 'a bare undici proxy' },
  { kind: 'dispatcher', name: 'the same with client.dispatcher', limit: 1.1 },
  { kind: 'forward', name: 'a proxy with client.forward()' },
] as const

/** Measures proxies, each in a separate process: their CPU time without that of the callers. */
export async function benchProxies(): Promise<readonly Finding[]> {
  const server = await startSliceProcess(new URL('../server.ts', import.meta.url), 3)
  try {
    const start = (): Promise<Generation> => startProxies(server.greeting as readonly number[])
    const results = await measureGenerations(start, { generations, rounds, maxMs })
    return results.map((result, index) => {
      const proxy = proxies[index]
      return {
        subject: `CPU per request: ${result.name}`,
        measured: `${formatRatio(result)}, ${result.cost.toFixed(0)} µs`,
        ...(proxy && 'limit' in proxy && judgeRatio(result, proxy.limit, 'the bare one')),
      }
    })
  } finally {
    server.close()
  }
}

async function startProxies(ports: readonly number[]): Promise<Generation> {
  const script = new URL('./proxy-process.ts', import.meta.url)
  const processes = await Promise.all(proxies.map(({ kind }) => startSliceProcess(script, kind, ...ports)))
  const pools = processes.map(({ greeting }) => new Pool(`http://127.0.0.1:${greeting}`, { connections: 128 }))
  return {
    contenders: processes.map((process, index) => perProxied(proxies[index]?.name ?? '', process, pools[index] as Pool)),
    async close() {
      await Promise.all(pools.map((pool) => pool.close()))
      for (const process of processes) process.close()
    },
  }
}

/** CPU time of a proxy per request, in microseconds. */
function perProxied(name: string, proxy: SliceProcess, pool: Pool): Contender {
  const send = async (): Promise<string> => (await pool.request({ path: '/orders/1', method: 'GET' })).body.text()
  return {
    name,
    async slice() {
      await sendMany(name, send, 200)
      const before = await proxy.slice()
      await sendMany(name, send, requests)
      return ((await proxy.slice()) - before) / requests
    },
  }
}
