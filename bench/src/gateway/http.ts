import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { openStage } from '../app/stage.ts'
import { type Contender, measurePaired, type PairedResult, quantile } from '../paired.ts'
import { type Finding, formatRatio, judgeRatio } from '../report.ts'
import type { LoadResult, LoadTask } from './load-process.ts'
import { installPeers } from './peers.ts'
import { bare, completeGateway, gateway, peers } from './programs.ts'
import { type MeasuredProxy, spawnOn, startNodeProxy, startServer } from './proxy.ts'
import * as services from './servers.ts'

const requestsPerSlice = 8_000
const warmUpRequests = 60_000
const rounds = 9
const latencyRounds = 2
const latencyMs = 2_000
const names = {
  bare: 'node:http and undici',
  ours: '@sd/gateway',
  complete: '@sd/gateway with breakers, retry, metrics and a filter',
}

type Load = (task: LoadTask) => Promise<LoadResult>

/** Measures requests of HTTP/1.1 and HTTP/2: CPU per request, requests per second, latency at a constant rate, memory. */
export async function benchHttp(): Promise<readonly Finding[]> {
  const service = await startServer(services.service)
  if (!service) return [{ subject: 'gateway', measured: 'not measured: nginx, the service, is not installed' }]
  const folders = [
    'gateway',
    'discovery',
    'balancer-round-robin',
    'registry-memory',
    'retry',
    'breaker-cockatiel',
    'metrics-prometheus',
  ]
  const stage = await openStage(folders, ['undici', 'prom-client'])
  const proxies: MeasuredProxy[] = []
  const { load, close } = await startLoad()
  try {
    const peersFile = await installPeers()
    const programs = { [names.bare]: bare, [names.ours]: gateway, [names.complete]: completeGateway, ...peers }
    for (const [index, [name, program]] of Object.entries(programs).entries()) {
      const file = await stage.write(`proxy-${index}.mjs`, program)
      proxies.push(await startNodeProxy(name, file, [String(service.port), peersFile]))
    }
    const skipped: Finding[] = []
    for (const spec of [services.nginxProxy(service.port), services.haproxy(service.port, 'http')]) {
      const proxy = await startServer(spec)
      if (proxy) proxies.push(proxy)
      else skipped.push({ subject: spec.name, measured: 'not measured: it is not installed' })
    }
    const idle = proxies.map((proxy) => proxy.memory())
    // Compilers run on the core of the proxy too: a proxy that has just started is measured by its start.
    for (const { port } of proxies) await load({ kind: 'closed', protocol: 'h1', port, requests: warmUpRequests })
    const latency = await benchLatency(load, service, proxies)
    const memory = proxies.map((proxy, index) => describeMemory(proxy, idle[index] as ReturnType<MeasuredProxy['memory']>))
    return [...(await benchCpu(load, proxies)), ...latency, ...memory, ...skipped]
  } finally {
    close()
    await Promise.all([...proxies, service].map((proxy) => proxy.close()))
    await stage.close()
  }
}

async function startLoad(): Promise<{ readonly load: Load; close(): void }> {
  const child = spawnOn('load', process.execPath, [fileURLToPath(new URL('load-process.ts', import.meta.url))], 'ipc')
  await once(child, 'message')
  return {
    async load(task) {
      child.send(task)
      const [{ result, failure }] = (await once(child, 'message')) as [{ result?: LoadResult; failure?: string }]
      if (!result) throw new Error(failure)
      return result
    },
    close: () => child.disconnect(),
  }
}

/** CPU time per request, with 50 connections that always wait for a response. */
async function benchCpu(load: Load, proxies: readonly MeasuredProxy[]): Promise<readonly Finding[]> {
  const rates = new Map<string, number[]>()
  function contend(name: string, proxy: MeasuredProxy, protocol: 'h1' | 'h2'): Contender {
    const measured: number[] = []
    rates.set(name, measured)
    return {
      name,
      async slice() {
        const before = proxy.cpu()
        const { rate } = await load({ kind: 'closed', protocol, port: proxy.port, requests: requestsPerSlice })
        measured.push(rate)
        return (proxy.cpu() - before) / requestsPerSlice
      },
    }
  }
  const ours = proxies.find(({ name }) => name === names.ours) as MeasuredProxy
  const contenders = proxies.map((proxy) => contend(proxy.name, proxy, 'h1'))
  contenders.push(contend(`${names.ours}, HTTP/2 in`, ours, 'h2'))
  const results = await measurePaired(contenders, rounds)
  const own = results.find(({ name }) => name === names.ours) as PairedResult
  return results.map((result) => {
    const rate = quantile(rates.get(result.name) ?? [], 0.5)
    const beside = `${formatRatio(result)}, ${result.cost.toFixed(1)} µs, ${rate.toFixed(0)} requests per second`
    return { subject: `gateway, CPU per request: ${result.name}`, measured: beside, ...judge(result, own, rate) }
  })
}

/** The goals. Those beside other proxies are goals for our gateway, by the ratio of its cost to theirs. */
function judge(result: PairedResult, own: PairedResult, rate: number): Pick<Finding, 'goal' | 'met'> {
  const { name } = result
  if (name === names.ours) {
    const { goal = '', met } = judgeRatio(result, 1.1, 'the bare proxy')
    return { goal: `${goal}, > 20,000 requests per second`, met: met === true ? rate > 20_000 : (met ?? 'not decided') }
  }
  if (name === names.complete) return judgeRatio(result, 1.35, 'the bare proxy')
  const limit = name === 'nginx' || name === 'haproxy' ? 4.5 : Object.hasOwn(peers, name) ? 0.65 : undefined
  if (limit === undefined) return {}
  const ratio = own.cost / result.cost
  return { goal: `ours ≤ ${limit} ×: ${ratio.toFixed(2)}`, met: ratio <= limit }
}

/** Latency while requests arrive at random, at two rates. */
async function benchLatency(load: Load, service: MeasuredProxy, proxies: readonly MeasuredProxy[]): Promise<readonly Finding[]> {
  const findings: Finding[] = []
  for (const rate of [3_000, 10_000]) {
    const contenders = [service, ...proxies]
    const results = contenders.map((): LoadResult[] => [])
    for (let round = -1; round < latencyRounds; round++) {
      for (const step of contenders.keys()) {
        const index = (step + round + 1) % contenders.length
        const { port } = contenders[index] as MeasuredProxy
        const result = await load({ kind: 'open', port, rate, durationMs: latencyMs })
        if (round >= 0) results[index]?.push(result)
      }
    }
    const medians = results.map((all) => ({
      p50: quantile(
        all.map(({ p50 }) => p50),
        0.5,
      ),
      p95: quantile(
        all.map(({ p95 }) => p95),
        0.5,
      ),
      p99: quantile(
        all.map(({ p99 }) => p99),
        0.5,
      ),
    }))
    const direct = medians[0] as (typeof medians)[0]
    for (const [index, { p50, p95, p99 }] of medians.entries()) {
      const name = index === 0 ? 'the service without a proxy' : (contenders[index] as MeasuredProxy).name
      const [added95, added99] = [(p95 - direct.p95) / 1000, (p99 - direct.p99) / 1000]
      const isJudged = rate === 10_000 && name === names.ours
      findings.push({
        subject: `gateway, latency at ${rate} requests per second: ${name}`,
        measured: `P50 ${p50.toFixed(0)}, P95 ${p95.toFixed(0)}, P99 ${p99.toFixed(0)} µs; added P95 ${added95.toFixed(2)} ms, P99 ${added99.toFixed(2)} ms`,
        ...(isJudged && { goal: 'added P95 < 0.6 ms, P99 ≤ 2.5 ms', met: added95 < 0.6 && added99 <= 2.5 }),
      })
    }
  }
  return findings
}

function describeMemory(proxy: MeasuredProxy, idle: ReturnType<MeasuredProxy['memory']>): Finding {
  const loaded = proxy.memory()
  const [own, ownLoaded] = [idle.anon, loaded.anon].map((megabytes) => megabytes.toFixed(0))
  return {
    subject: `gateway, memory idle and after 10,000 requests per second: ${proxy.name}`,
    measured: `private ${own} and ${ownLoaded} MB; RSS ${idle.rss.toFixed(0)} and ${loaded.rss.toFixed(0)} MB`,
    ...(proxy.name === names.ours && { goal: 'private < 30 and < 64 MB', met: idle.anon < 30 && loaded.anon < 64 }),
  }
}
