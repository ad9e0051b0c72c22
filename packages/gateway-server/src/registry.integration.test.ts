import { createConsulRegistry } from '@sd/registry-consul'
import { obtainServer, startConsul } from '@sd/test-servers'
import { expect, onTestFinished, test, vi } from 'vitest'
import { createEventLog } from './event-log.ts'
import { startAlone } from './process/alone.ts'
import { startService, writeTestFile } from './testing/server-process.ts'

const source = await obtainServer('consul')

test.runIf(source)(
  'the gateway finds services in Consul by URL, registers itself, and leaves before it ends',
  {
    timeout: 120_000,
  },
  async () => {
    if (!source) return
    const consul = await startConsul(source)
    const address = `127.0.0.1:${consul.port}`
    await using registry = createConsulRegistry({ servers: [address] })
    const { port } = await startService('orders')
    const registration = await registry.register({ service: 'orders', address: '127.0.0.1', port })
    const file = await writeTestFile(
      'gateway.yaml',
      `version: 1
registry: $` +
        `{REGISTRY}
listeners: [{ name: edge, address: "127.0.0.1:0" }]
observe: { address: "127.0.0.1:0" }
drain: { propagationDelayMs: 0 }
register: { service: edge, listener: edge, address: 127.0.0.1, metadata: { team: edge } }
routes: [{ name: orders, match: { path: /orders/* }, forward: { service: orders } }]
`,
    )
    vi.stubEnv('REGISTRY', `consul://${address}`)
    onTestFinished(() => void vi.unstubAllEnvs())
    let accesses = ''
    const events: string[] = []
    const log = createEventLog((line) => events.push(JSON.parse(line).event))
    const write = (lines: string): void => {
      accesses += lines
    }
    const gateway = await startAlone(file.path, log, write, [])
    const bound = gateway.addresses[0]?.port
    const ask = async (url: string): Promise<string> => (await fetch(url)).text()
    expect(await ask(`http://127.0.0.1:${bound}/orders/1`)).toBe('orders /orders/1')
    expect(await ask(`${gateway.observe}/metrics`)).toContain('sd_gateway_requests_total')
    expect(await ask(`${gateway.observe}/health/ready`)).toContain('ok')
    await vi.waitUntil(async () => (await registry.getInstances('edge')).instances.length === 1, 20_000)
    const [edge] = (await registry.getInstances('edge')).instances
    expect(edge).toMatchObject({ address: '127.0.0.1', port: bound, metadata: { team: 'edge' } })

    gateway.reload()
    await vi.waitUntil(() => events.includes('reloaded'), 20_000)
    expect(await gateway.close('SIGTERM')).toBe(true)
    expect((await registry.getInstances('edge')).instances).toEqual([])
    expect(JSON.parse(accesses)).toMatchObject({ route: 'orders', status: 200 })
    await registration.deregister()
    await consul.close()
  },
)
