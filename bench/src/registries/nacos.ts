import { setTimeout as delay } from 'node:timers/promises'
import { createNacosRegistry } from '@sd/registry-nacos'
import { findServer, startNacos } from '@sd/test-servers'
import { quantile } from '../paired.ts'
import type { Finding } from '../report.ts'
import { measureFootprint } from './footprint.ts'

const refreshIntervalMs = 1_000
const changes = 40

/** Measures Nacos, which is polled, against the interval. */
export async function benchNacos(): Promise<readonly Finding[]> {
  const source = await findServer('nacos', { own: true })
  if (!source) return []
  const server = await startNacos(source)
  const open = (port: number) => createNacosRegistry({ servers: [`127.0.0.1:${port}`], refreshIntervalMs })
  const footprint = await measureFootprint({ name: 'nacos', port: server.port, open })
  const [writer, reader] = [open(server.port), open(server.port)]
  const registration = await writer.register({ service: 'orders', address: '10.0.0.1', port: 80 })
  const controller = new AbortController()
  let seen = ''
  void (async () => {
    for await (const { value } of reader.watch('orders', { signal: controller.signal })) seen = value?.instances[0]?.version ?? ''
  })()
  const times: number[] = []
  for (let change = 0; change < changes; change++) {
    // At a random moment of the interval.
    await delay(Math.random() * refreshIntervalMs)
    await registration.update({ version: `v${change}` })
    const startedAt = performance.now()
    while (seen !== `v${change}`) await delay(1)
    times.push(performance.now() - startedAt)
  }
  controller.abort()
  await Promise.all([writer.close(), reader.close()])
  await server.close()
  const longest = Math.max(...times)
  const goalMs = refreshIntervalMs * 1.1
  return [
    {
      subject: `nacos: propagation by polling every ${refreshIntervalMs} ms, P50 and longest`,
      measured: `${quantile(times, 0.5).toFixed(0)} and ${longest.toFixed(0)} ms`,
      goal: `≤ ${goalMs} ms`,
      met: longest <= goalMs,
    },
    ...footprint,
  ]
}
