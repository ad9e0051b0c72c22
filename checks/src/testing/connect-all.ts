import { createEmailChannel, createWebhookChannel } from '@sd/alerts'
import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import { createFetchTransport, createServiceClient, type ServiceClientOptions } from '@sd/client'
import { createDiscovery } from '@sd/discovery'
import { createHttpCheck } from '@sd/health'
import { createRedisRateLimiter } from '@sd/rate-limit-redis'
import { createConsulRegistry } from '@sd/registry-consul'
import { createEtcdRegistry } from '@sd/registry-etcd'
import { createKubernetesRegistry } from '@sd/registry-kubernetes'
import { createNacosRegistry } from '@sd/registry-nacos'
import { createStaticRegistry } from '@sd/registry-static'
import { createZooKeeperRegistry } from '@sd/registry-zookeeper'

// A separate program, because Node reads the variables that environment.test.ts sets at its start. Connects with all connecting
// components; responses do not matter.

const ports = JSON.parse(process.argv[2] as string) as Readonly<Record<string, number>>
const scheme = process.argv[3] as 'http' | 'https'
const isSecure = scheme === 'https'
const host = '127.0.0.1'
const port = (name: string): number => ports[name] as number
const url = (name: string): string => `${scheme}://${host}:${port(name)}`

async function ping(registry: { ping(): Promise<unknown>; close(): Promise<unknown> }): Promise<void> {
  await registry.ping().catch(() => undefined)
  await registry.close()
}

async function call(name: string, transport?: ServiceClientOptions['transport']): Promise<void> {
  const source = createStaticRegistry({ instances: [{ service: 'orders', address: host, port: port(name), protocol: scheme }] })
  const discovery = createDiscovery({ source })
  const client = createServiceClient({ discovery, balancer: createRoundRobinBalancer(), ...(transport && { transport }) })
  await client.get('orders', '/', { timeoutMs: 5_000 }).catch(() => undefined)
  await client.close()
  await discovery.close()
  await source.close()
}

const kubeconfig = JSON.stringify({
  'current-context': 'one',
  contexts: [{ name: 'one', context: { cluster: 'c', user: 'u' } }],
  clusters: [{ name: 'c', cluster: { server: url('kubernetes'), ...(!isSecure && { 'insecure-skip-tls-verify': true }) } }],
  users: [{ name: 'u', user: {} }],
})
const signal = AbortSignal.timeout(5_000)
const options = { operationTimeoutMs: 5_000 }

const connects: Readonly<Record<string, () => Promise<unknown>>> = {
  consul: () => ping(createConsulRegistry({ ...options, servers: [url('consul')] })),
  etcd: () => ping(createEtcdRegistry({ ...options, servers: [url('etcd')] })),
  nacos: () => ping(createNacosRegistry({ ...options, servers: [url('nacos')] })),
  zookeeper: () => ping(createZooKeeperRegistry({ ...options, servers: [url('zookeeper')] })),
  kubernetes: () => ping(createKubernetesRegistry({ ...options, kubeconfig })),
  redis: () => {
    const endpoint = `${isSecure ? 'rediss' : 'redis'}://${host}:${port('redis')}`
    return ping(createRedisRateLimiter({ ...options, endpoint, limit: 1, windowMs: 1_000 }))
  },
  client: () => call('client'),
  'client, fetch': () => call('client, fetch', createFetchTransport()),
  health: () =>
    createHttpCheck().run({ id: 'one', service: 'orders', address: host, port: port('health'), protocol: scheme }, { signal }),
  webhook: () => createWebhookChannel({ name: 'hook', url: url('webhook') }).send({ alerts: [] }, { signal }),
  email: () => {
    const transport = { host, port: port('email'), secure: isSecure, requireTls: isSecure }
    const channel = createEmailChannel({ name: 'mail', transport, from: 'a@x.test', to: 'b@x.test', timeoutMs: 2_000 })
    return channel.send({ alerts: [] }, { signal })
  },
}

await Promise.all(Object.values(connects).map((connect) => connect().catch(() => undefined)))
process.exit(0)
