import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import { createHttp1Transport, createServiceClient } from '@sd/client'
import { createDiscovery } from '@sd/discovery'
import { createGateway } from '@sd/gateway'
import { createStaticRegistry } from '@sd/registry-static'
import type { FramingAddress, FramingProtocol } from '@sd/testing'
import type { Peer, Running } from './peer.ts'

async function start({ host, port }: FramingAddress, front: FramingProtocol): Promise<Running> {
  const source = createStaticRegistry({ instances: [{ service: 'framing', address: host, port }] })
  const discovery = createDiscovery({ source })
  const client = createServiceClient({ discovery, balancer: createRoundRobinBalancer(), transport: createHttp1Transport() })
  const gateway = await createGateway({
    client,
    table: {
      listeners: [{ name: 'edge', address: '127.0.0.1:0', protocols: [front === 'h1' ? 'http/1.1' : 'h2'] }],
      routes: [{ name: 'all', forward: { service: 'framing' } }],
    },
  })
  return {
    address: { host: '127.0.0.1', port: gateway.addresses[0]?.port as number },
    async close() {
      await gateway.close()
      await Promise.all([client.close(), discovery.close(), source.close()])
    },
  }
}

/** The gateway of this repository. */
export const gatewayPeers: readonly Peer[] = (['h1', 'h2'] as const).map((front) => ({
  name: '@sd/gateway',
  front,
  upstream: 'h1',
  start: (upstream) => start(upstream, front),
}))
