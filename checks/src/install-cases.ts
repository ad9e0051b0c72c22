/** Packages that a user installs into an empty project, and a program to run there. */
export interface InstallCase {
  /** Folders of the packages to install. */
  readonly folders: readonly string[]
  /** Allowed further packages; absent if an SDK decides them. */
  readonly comesAlong?: readonly string[]
  /** The program. */
  readonly program: string
}

const adapters = `import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import { createEndpoint, type ServiceInstance } from '@sd/core'
import { createMemoryRegistry } from '@sd/registry-memory'

const registry = createMemoryRegistry()
for (const port of [1, 2]) await registry.register({ service: 'orders', address: '127.0.0.1', port })
const { instances } = await registry.getInstances('orders')
const endpoints = instances.map((instance: ServiceInstance) => createEndpoint(instance))
const view = { endpoints, weights: Float64Array.of(1, 1), epoch: 1 }
const picker = createRoundRobinBalancer().createPicker(view)
const picked = new Set([picker.pick({})?.instance.port, picker.pick({})?.instance.port])
if (picked.size !== 2) throw new Error('round robin did not alternate')
await registry.close()
`

const client = `import { createServer } from 'node:http'
import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import { createServiceClient } from '@sd/client'
import { createDiscovery } from '@sd/discovery'
import { createMemoryRegistry } from '@sd/registry-memory'

const server = createServer((request, response) => void response.end(JSON.stringify({ path: request.url })))
await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', () => resolve()))
const address = server.address()
const port = typeof address === 'object' && address ? address.port : 0
const registry = createMemoryRegistry()
await registry.register({ service: 'orders', address: '127.0.0.1', port: 9, id: 'a-dead' })
await registry.register({ service: 'orders', address: '127.0.0.1', port, id: 'b-alive' })
const discovery = createDiscovery({ source: registry })
const client = createServiceClient({ discovery, balancer: createRoundRobinBalancer() })
for (let index = 0; index < 4; index++) {
  const response = await client.get('orders', '/a')
  if (JSON.stringify(await response.json()) !== '{"path":"/a"}') throw new Error('wrong response')
}
await client.close()
await discovery.close()
await registry.close()
server.close()
server.closeAllConnections()
`

/** A service that fails once, called with every policy. */
const policies = `import { createServer } from 'node:http'
import { createP2cBalancer } from '@sd/balancer-p2c'
import { createCockatielBreaker } from '@sd/breaker-cockatiel'
import { createOpossumBreaker } from '@sd/breaker-opossum'
import { createServiceClient, resilient } from '@sd/client'
import { createAdaptiveLimit } from '@sd/concurrency-limit'
import { createDiscovery } from '@sd/discovery'
import { createHedgePolicy } from '@sd/hedge'
import { createOutlierDetection } from '@sd/outlier-detection'
import { createMemoryRateLimiter } from '@sd/rate-limit-memory'
import { createMemoryRegistry } from '@sd/registry-memory'
import { createRetryPolicy } from '@sd/retry'

let requests = 0
const server = createServer((_request, response) => void response.writeHead(requests++ === 0 ? 503 : 200).end('{"total":3}'))
await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', () => resolve()))
const address = server.address()
const port = typeof address === 'object' && address ? address.port : 0
const registry = createMemoryRegistry()
await registry.register({ service: 'orders', address: '127.0.0.1', port })
const discovery = createDiscovery({ source: registry, monitors: [createOutlierDetection()] })
const limiter = createMemoryRateLimiter({ limit: 100, windowMs: 1_000 })
for (const breaker of [createOpossumBreaker, createCockatielBreaker]) {
  requests = 0
  const parts = { breaker, retry: createRetryPolicy, hedge: createHedgePolicy, concurrencyLimit: createAdaptiveLimit }
  const client = createServiceClient({ discovery, balancer: createP2cBalancer(), rateLimit: { limiter }, ...resilient(parts) })
  const response = await client.get('orders', '/total')
  if (response.attempts !== 2 || JSON.stringify(await response.json()) !== '{"total":3}') throw new Error('wrong response')
  await client.close()
}
await limiter.close()
await discovery.close()
await registry.close()
server.close()
server.closeAllConnections()
`

/** Only configuration, with history and an encrypted value, without registry and config center. */
const config = `import { createConfig, createMemoryConfigSource } from '@sd/config'
import { createDecrypter, createEnvironmentKeyring, encryptValue, generateKey } from '@sd/config-crypto'
import { createEnvConfigSource } from '@sd/config-env'
import { createFileConfigSource } from '@sd/config-file'
import { createConfigHistory, createMemoryStore } from '@sd/config-history'

const keys = createEnvironmentKeyring({ env: { SD_CONFIG_KEYS: generateKey('k1') } })
const file = createFileConfigSource({ path: 'package.json' })
const environment = createEnvConfigSource({ prefix: 'APP_', env: { APP_POOL__SIZE: '5' } })
const center = createMemoryConfigSource()
const history = createConfigHistory({ source: center, key: 'app.json', store: createMemoryStore(), author: 'ann' })
await history.put(JSON.stringify({ password: await encryptValue('tiger', { keys, path: 'password' }) }))
const config = await createConfig({ sources: [file, environment, center], decrypt: createDecrypter({ keys }) })
const found = [config.get('name'), config.get('pool.size'), config.get('password')].join()
if (found !== 'user,5,tiger') throw new Error('wrong configuration: ' + found)
if (!(await history.verify()).isValid) throw new Error('the history does not verify')
await config.close()
for (const source of [file, environment, center]) await source.close()
`

/** Every registry and config center with its SDK: must compile with the strictest settings, load, and report an unreachable server. */
const backends = `import { createConfigSource } from '@sd/config-center'
import { createConsulConfigSource } from '@sd/config-consul'
import { createEtcdConfigSource } from '@sd/config-etcd'
import { createKubernetesConfigSource } from '@sd/config-kubernetes'
import { createNacosConfigSource } from '@sd/config-nacos'
import { createZooKeeperConfigSource } from '@sd/config-zookeeper'
import { SdError } from '@sd/core'
import { createLock } from '@sd/lock'
import { createConsulLock } from '@sd/lock-consul'
import { createEtcdLock } from '@sd/lock-etcd'
import { createRegistry } from '@sd/registry'
import { createConsulRegistry } from '@sd/registry-consul'
import { createDnsRegistry } from '@sd/registry-dns'
import { createEtcdRegistry } from '@sd/registry-etcd'
import { createFailoverRegistry } from '@sd/registry-failover'
import { createKubernetesRegistry } from '@sd/registry-kubernetes'
import { createNacosRegistry } from '@sd/registry-nacos'
import { createZooKeeperRegistry } from '@sd/registry-zookeeper'

const servers = ['127.0.0.1:9']
const operationTimeoutMs = 1_000
const kubeconfig = JSON.stringify({
  apiVersion: 'v1',
  kind: 'Config',
  'current-context': 'a',
  clusters: [{ name: 'a', cluster: { server: 'https://127.0.0.1:9' } }],
  users: [{ name: 'a', user: { token: 'a' } }],
  contexts: [{ name: 'a', context: { cluster: 'a', user: 'a' } }],
})
const onNode = 'Bun' in globalThis ? [] : [createKubernetesRegistry({ kubeconfig, operationTimeoutMs })]
const sources = [
  ...onNode,
  createConsulRegistry({ servers, operationTimeoutMs }),
  createDnsRegistry({ servers, domain: 'example.org', timeoutMs: 500, operationTimeoutMs }),
  createEtcdRegistry({ servers, operationTimeoutMs }),
  createFailoverRegistry({ members: [{ registry: createEtcdRegistry({ servers, operationTimeoutMs }) }], operationTimeoutMs }),
  createNacosRegistry({ servers, operationTimeoutMs }),
  createZooKeeperRegistry({ servers, operationTimeoutMs }),
  await createRegistry('consul://127.0.0.1:9?operationTimeoutMs=1000'),
]
for (const source of sources) {
  const error = await source.getInstances('orders').then(
    () => undefined,
    (caught: unknown) => caught,
  )
  if (!(error instanceof SdError) || !error.retryable) throw new Error(\`\${source.name}: \${String(error)}\`)
  await source.close()
}
const centers = [
  ...('Bun' in globalThis
    ? []
    : [createKubernetesConfigSource({ kubeconfig, configMaps: ['orders'], operationTimeoutMs })]),
  createConsulConfigSource({ servers, prefix: 'orders', operationTimeoutMs }),
  createEtcdConfigSource({ servers, prefix: '/orders', operationTimeoutMs }),
  createNacosConfigSource({ servers, dataIds: ['orders.yaml'], operationTimeoutMs }),
  createZooKeeperConfigSource({ servers, operationTimeoutMs }),
  await createConfigSource('etcd://127.0.0.1:9?operationTimeoutMs=1000'),
]
for (const center of centers) {
  const error = await center.load().then(
    () => undefined,
    (caught: unknown) => caught,
  )
  if (!(error instanceof SdError) || !error.retryable) throw new Error(\`\${center.name}: \${String(error)}\`)
  await center.close()
}
const locks = [
  createConsulLock({ servers, operationTimeoutMs }),
  createEtcdLock({ servers, operationTimeoutMs }),
  await createLock('consul://127.0.0.1:9?operationTimeoutMs=1000'),
]
for (const lock of locks) {
  const holder = await lock.holder('a').catch((caught: unknown) => caught)
  if (!(holder instanceof SdError)) throw new Error('a lock without a backend')
  await lock.close()
}
`

const commandLine = `import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { runCli } from '@sd/cli'

const sdctl = (...argv: string[]): string =>
  execFileSync(process.execPath, ['node_modules/.bin/sdctl', ...argv], { encoding: 'utf8' })
if (!/^sdctl \\d/.test(sdctl('version'))) throw new Error('no version')
writeFileSync('services.yaml', 'services: { orders: [{ address: 10.0.0.1, port: 80 }] }')
const { data } = JSON.parse(sdctl('services', '--json', '--registry', 'static:services.yaml'))
if (data.services[0].name !== 'orders') throw new Error('no service')
const folder = 'service-' + process.pid
sdctl('init', 'shop', '--framework', 'express', '--registry', 'consul', '--dir', folder)
// Versions come from the manifest of the package, where packing has replaced those of the workspace.
for (const version of Object.values<string>(JSON.parse(readFileSync(folder + '/package.json', 'utf8')).dependencies)) {
  if (!/^[\\^~]?\\d/.test(version)) throw new Error('not a version: ' + version)
}
const { stdin, stdout, stderr, env } = process
const code = await runCli({ argv: ['services', '--registry', 'consul'], env, stdin, stdout, stderr, cwd: process.cwd() })
if (code !== 2) throw new Error('wrong usage ended with ' + code)
`

const withClient = ['core', 'registry-memory', 'balancer-round-robin', 'discovery', 'client']

/** The cases, by name. */
export const installCases: Readonly<Record<string, InstallCase>> = {
  adapters: {
    folders: ['core', 'registry-memory', 'balancer-round-robin'],
    comesAlong: ['@sd/adapter-kit', '@sd/tls'],
    program: adapters,
  },
  client: {
    folders: withClient,
    comesAlong: ['@sd/adapter-kit', '@sd/tls', '@standard-schema', 'eventsource-parser', 'semver', 'undici'],
    program: client,
  },
  policies: {
    folders: [
      ...withClient,
      ...['balancer-p2c', 'breaker-cockatiel', 'breaker-opossum', 'concurrency-limit', 'hedge', 'outlier-detection'],
      ...['rate-limit-memory', 'retry'],
    ],
    program: policies,
  },
  config: {
    folders: ['core', 'config', 'config-crypto', 'config-env', 'config-file', 'config-history'],
    comesAlong: ['@sd/adapter-kit', '@sd/tls', '@standard-schema', 'diff', 'dot-properties', 'smol-toml', 'yaml'],
    program: config,
  },
  'command line': {
    folders: ['core', 'cli', 'registry-static'],
    program: commandLine,
  },
  backends: {
    folders: [
      ...['config', 'config-center', 'lock'],
      ...['core', 'registry', 'registry-dns', 'registry-failover', 'registry-memory', 'registry-static'],
      ...['connection-consul', 'config-consul', 'lock-consul', 'registry-consul'],
      ...['connection-etcd', 'config-etcd', 'lock-etcd', 'registry-etcd'],
      ...['connection-zookeeper', 'config-zookeeper', 'registry-zookeeper'],
      ...['connection-nacos', 'config-nacos', 'registry-nacos'],
      ...['connection-kubernetes', 'config-kubernetes', 'registry-kubernetes'],
    ],
    program: backends,
  },
}
