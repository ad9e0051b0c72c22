import { setTimeout as delay } from 'node:timers/promises'
import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import { createServiceClient } from '@sd/client'
import { createDiscovery } from '@sd/discovery'
import { createMemoryRegistry } from '@sd/registry-memory'
import { nodesToTest, type RuntimeName, startConstantLoad } from '@sd/test-servers'
import { afterEach, describe, expect, test } from 'vitest'
import { registeredBy, type ServiceProcess, startService } from './testing/start-service.ts'

/** Calls per second. */
const rate = Number(process.env['SD_TEST_RATE'] ?? 300)
/** Fewer in `npm test`, whose time is limited. */
const instanceCount = nodesToTest().length > 1 ? 3 : 2

const processes: ServiceProcess[] = []
afterEach(() => Promise.all(processes.splice(0).map((service) => service.close())))

const onNode = ['node:http', 'Express', 'Koa', 'Hono on Node']
const onDeno = ['node:http', 'Express', 'Hono on Deno', 'Deno.serve']
const onBun = ['node:http', 'Express', 'Hono on Bun', 'Bun.serve']
const cases: readonly (readonly [runtime: RuntimeName, kind: string])[] = [
  ...nodesToTest().flatMap((runtime) => onNode.map((kind) => [runtime, kind] as const)),
  // Of other runtimes, `npm test` only starts and ends each kind, in servers.integration.test.ts.
  ...(nodesToTest().length > 1
    ? [...onBun.map((kind) => ['bun', kind] as const), ...onDeno.map((kind) => ['deno', kind] as const)]
    : []),
]

describe('a rolling restart loses no request', () => {
  test.each(cases)('%s: %s', { timeout: 120_000 }, async (runtime, kind) => {
    const registry = createMemoryRegistry()
    const discovery = createDiscovery({ source: registry })

    /** Starts a process, and registers it for as long as it says that it is. */
    async function startInstance(): Promise<ServiceProcess> {
      const service = await startService(runtime, kind)
      processes.push(service)
      const { id, port } = await registeredBy(service)
      const registration = await registry.register({ service: 'orders', id, port, address: '127.0.0.1' })
      // If the process is killed by afterEach, it never says so.
      service.says('deregistered').then(
        () => registration.deregister(),
        () => undefined,
      )
      return service
    }

    const first = await Promise.all(Array.from({ length: instanceCount }, startInstance))
    const client = createServiceClient({
      discovery,
      balancer: createRoundRobinBalancer(),
      retry: { name: 'never', next: () => undefined },
    })
    const served = new Set<string>()
    const load = startConstantLoad(rate, async (index) => {
      const sent = index % 4 === 0 ? client.post('orders', '/20', { body: 'x' }) : client.get('orders', '/20')
      const response = await sent
      served.add(response.endpoint.instance.id)
      expect(await response.text()).toBe('done')
    })
    await delay(300)
    for (const service of first) {
      await startInstance()
      expect([await service.stop(), service.errors()]).toEqual([0, ''])
    }
    await delay(300)
    await load.stop()
    process.stdout.write(`${runtime}, ${kind}: ${load.calls} calls, ${load.failures.length} lost\n`)

    expect(load.failures).toEqual([])
    expect(load.calls).toBeGreaterThan(rate)
    expect(served.size).toBe(2 * instanceCount)
    await client.close()
    await discovery.close()
    await registry.close()
  })
})
