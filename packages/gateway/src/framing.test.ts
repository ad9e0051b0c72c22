import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import { createHttp1Transport, createServiceClient, createUndiciTransport, type Transport } from '@sd/client'
import { createDiscovery } from '@sd/discovery'
import { createStaticRegistry } from '@sd/registry-static'
import { type FramingProtocol, framingContract, fuzzFraming, startFramingUpstream } from '@sd/testing'
import { afterAll, describe, expect, test } from 'vitest'
import { createGateway } from './gateway.ts'

/** Random inputs per pair of protocols take a second; with `SD_FUZZ_MS=600000` they take ten minutes, with another seed each time. */
const durationMs = Number(process.env['SD_FUZZ_MS'] ?? 0)
const fuzz = durationMs > 0 ? { seed: Date.now(), durationMs } : { seed: 1, inputs: 150 }

/** A gateway in front of an upstream that records each octet. */
async function startTarget(front: FramingProtocol, protocol: FramingProtocol, transport: Transport) {
  const upstream = await startFramingUpstream({ protocol })
  const instance = {
    service: 'framing',
    port: upstream.address.port,
    address: upstream.address.host,
    protocol: protocol === 'h2' ? 'h2c' : 'http',
  }
  const source = createStaticRegistry({ instances: [instance] })
  const discovery = createDiscovery({ source })
  const client = createServiceClient({ discovery, balancer: createRoundRobinBalancer(), transport })
  const gateway = await createGateway({
    client,
    table: {
      listeners: [{ name: 'edge', address: '127.0.0.1:0', protocols: [front === 'h1' ? 'http/1.1' : 'h2'] }],
      routes: [{ name: 'all', forward: { service: 'framing' } }],
    },
  })
  async function close(): Promise<void> {
    await gateway.close()
    await Promise.all([client.close(), discovery.close(), source.close(), upstream.close()])
  }
  return { front: { host: '127.0.0.1', port: gateway.addresses[0]?.port as number }, upstream, close }
}

const transports = { http1: createHttp1Transport, undici: createUndiciTransport }

describe.each<[FramingProtocol, FramingProtocol, keyof typeof transports]>([
  ['h1', 'h1', 'http1'],
  ['h1', 'h1', 'undici'],
  ['h1', 'h2', 'http1'],
  ['h2', 'h1', 'http1'],
  ['h2', 'h1', 'undici'],
  ['h2', 'h2', 'http1'],
])('from %s to %s over %s', async (front, protocol, transport) => {
  const target = await startTarget(front, protocol, transports[transport]())
  afterAll(target.close)
  for (const { name, run } of framingContract({ front, upstream: protocol, target: () => target })) test(name, run)

  test('random inputs leave the upstream and the next request unaffected', { timeout: durationMs + 30_000 }, async () => {
    const { problems, forwarded } = await fuzzFraming(target, { front, ...fuzz })
    expect(problems).toEqual([])
    expect(forwarded).toBeGreaterThan(10)
  })
})
