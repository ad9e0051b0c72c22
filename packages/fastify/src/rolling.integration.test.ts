import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { createApp } from '@sd/app'
import { obtainServer, startConstantLoad, startConsul } from '@sd/test-servers'
import { eventually } from '@sd/testing'
import { describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { type ServiceProcess, startProcess } from './testing/start-process.ts'

/** Calls per second. */
const rate = Number(process.env['SD_TEST_RATE'] ?? 300)
const instanceCount = 3
const consul = await obtainServer('consul', { own: true })

/** Something that stays open until its instance ends. */
async function openBoth(port: number): Promise<{ readonly ended: Promise<readonly [stream: string, code: number]> }> {
  const stream = await fetch(`http://127.0.0.1:${port}/events`)
  const socket = new WebSocket(`ws://127.0.0.1:${port}/socket`)
  await once(socket, 'open')
  const closed = once(socket, 'close')
  return { ended: Promise.all([stream.text(), closed.then(([code]) => code as number)]) }
}

describe.runIf(consul)('instances in processes of their own', () => {
  test('a rolling restart loses no request, and streams and WebSockets end in order', { timeout: 120_000 }, async () => {
    if (!consul) return
    const server = await startConsul(consul)
    const registry = `consul://127.0.0.1:${server.port}`
    const caller = await createApp({ service: 'caller', registry, client: { retry: false, hedge: false, breaker: false } })
    const count = async (): Promise<number> => (await caller.registry.getInstances('orders')).instances.length
    const start = (): Promise<ServiceProcess> => startProcess({ REGISTRY: registry, PROPAGATION_MS: '1000' })

    const first = await Promise.all(Array.from({ length: instanceCount }, start))
    await eventually(async () => expect(await count()).toBe(instanceCount), 30_000)
    await caller.client.get('orders', '/')
    const seen = new Set<string>()
    async function call(index: number): Promise<void> {
      const json = { index }
      const response = await (index % 4 === 0 ? caller.client.post('orders', '/', { json }) : caller.client.get('orders', '/'))
      seen.add(response.endpoint.instance.id)
      const text = await response.ensureOk().text()
      if (index % 4 === 0) expect(JSON.parse(text)).toEqual(json)
    }
    const startedAt = performance.now()
    const load = startConstantLoad(rate, call)

    const second: ServiceProcess[] = []
    for (const { child, port, lines, exited } of first) {
      const { ended } = await openBoth(port)
      child.kill('SIGTERM')
      expect(await ended).toEqual(['data: hello\n\ndata: bye\n\n', 1_005])
      expect(await exited).toEqual([0, null])
      expect(lines).toEqual(['SIGTERM stopping', 'preClose stopping', 'onClose, client open', 'service ended', 'exit 0'])
      second.push(await start())
      await eventually(async () => expect(await count()).toBe(instanceCount), 30_000)
    }
    await delay(1_000)
    await load.stop()
    const perSecond = Math.round((load.calls / (performance.now() - startedAt)) * 1_000)
    process.stdout.write(`Fastify: ${load.calls} calls, ${perSecond} per second, ${load.failures.length} lost\n`)
    expect(load.failures).toEqual([])
    expect(seen.size).toBe(2 * instanceCount)

    for (const { child } of second) child.kill('SIGTERM')
    await Promise.all(second.map(({ exited }) => exited))
    await caller.close()
    await server.close()
  })
})
