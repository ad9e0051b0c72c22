import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer as createProxy } from 'node:http'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer as createSecureServer } from 'node:tls'
import { promisify } from 'node:util'
import { type CertificateSet, createCertificates } from '@sd/test-servers'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { root } from './gate.ts'

// Tests the table "Proxies and authorities in the environment" in docs/guides/operations.md: all connecting components run in a
// process whose environment names proxies and authorities, with a proxy that records its requests.

const run = promisify(execFile)
const names = [
  ...['consul', 'etcd', 'nacos', 'zookeeper', 'kubernetes', 'redis'],
  ...['client', 'client, fetch', 'health', 'webhook', 'email'],
] as const

let certificates: CertificateSet
let folder: string
beforeAll(async () => {
  certificates = await createCertificates()
  folder = await mkdtemp(join(tmpdir(), 'sd-environment-'))
  await writeFile(join(folder, 'ca.pem'), certificates.ca)
})
afterAll(() => rm(folder, { recursive: true }))

async function listen(server: Server): Promise<number> {
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return (server.address() as AddressInfo).port
}

/** Connects with all components. Returns which ones connected directly and which through the proxy, by name. */
async function connectAll(
  scheme: 'http' | 'https',
  environment: (proxy: string) => Readonly<Record<string, string>>,
): Promise<{ readonly direct: readonly string[]; readonly proxied: readonly string[] }> {
  const direct = new Set<string>()
  const asked = new Set<string>()
  const servers: Server[] = []
  const ports: Record<string, number> = {}
  for (const name of names) {
    const arrive = (socket: Socket): void => {
      direct.add(name)
      socket.on('error', () => undefined).destroy()
    }
    // A TLS connection has arrived when its client has accepted the certificate.
    const server = scheme === 'https' ? createSecureServer(certificates.server, arrive) : createServer(arrive)
    server.on('tlsClientError', () => undefined)
    servers.push(server)
    ports[name] = await listen(server)
  }
  const proxy = createProxy((request, response) => {
    asked.add(request.url ?? '')
    response.writeHead(502).end()
  }).on('connect', (request, socket) => {
    asked.add(request.url ?? '')
    socket.end('HTTP/1.1 502 Bad Gateway\r\n\r\n')
  })
  servers.push(proxy)
  const url = `http://127.0.0.1:${await listen(proxy)}`
  const program = join(import.meta.dirname, 'testing', 'connect-all.ts')
  try {
    await run(process.execPath, ['--disable-warning=ExperimentalWarning', program, JSON.stringify(ports), scheme], {
      cwd: import.meta.dirname,
      env: { PATH: process.env['PATH'], ...environment(url) },
    })
  } finally {
    for (const server of servers) server.close()
  }
  const isAsked = (name: string): boolean => [...asked].some((place) => place.includes(`127.0.0.1:${ports[name]}`))
  return { direct: names.filter((name) => direct.has(name)), proxied: names.filter(isAsked) }
}

const proxies = (url: string): Readonly<Record<string, string>> => ({
  ...{ http_proxy: url, HTTP_PROXY: url, https_proxy: url, HTTPS_PROXY: url, grpc_proxy: url, all_proxy: url, ALL_PROXY: url },
})
/** Components that use the platform's `fetch`. */
const fetching: readonly string[] = ['client, fetch', 'webhook']

test.each(['http', 'https'] as const)('%s: no component uses proxies in the environment', { timeout: 60_000 }, async (scheme) => {
  const { direct, proxied } = await connectAll(scheme, (url) => ({
    ...proxies(url),
    NODE_EXTRA_CA_CERTS: join(folder, 'ca.pem'),
  }))
  expect({ direct, proxied }).toEqual({ direct: names, proxied: [] })
})

test('with NODE_USE_ENV_PROXY only components with fetch use them', { timeout: 60_000 }, async () => {
  const { direct, proxied } = await connectAll('http', (url) => ({ ...proxies(url), NODE_USE_ENV_PROXY: '1' }))
  expect(proxied).toEqual(fetching)
  expect(direct).toEqual(names.filter((name) => !fetching.includes(name)))
})

test('components with fetch respect no_proxy', { timeout: 60_000 }, async () => {
  const { direct, proxied } = await connectAll('http', (url) => ({
    ...proxies(url),
    ...{ NODE_USE_ENV_PROXY: '1', no_proxy: '127.0.0.1', NO_PROXY: '127.0.0.1' },
  }))
  expect({ direct, proxied }).toEqual({ direct: names, proxied: [] })
})

test('all components respect NODE_EXTRA_CA_CERTS; without it none trusts an unknown authority', {
  timeout: 60_000,
}, async () => {
  const NODE_EXTRA_CA_CERTS = join(folder, 'ca.pem')
  expect((await connectAll('https', () => ({ NODE_EXTRA_CA_CERTS }))).direct).toEqual(names)
  expect((await connectAll('https', () => ({}))).direct).toEqual([])
})

test('the guide has a row for each', async () => {
  const guide = await readFile(join(root, 'docs/guides/operations.md'), 'utf8')
  const [, section = ''] = /^## Proxies and authorities in the environment$([\s\S]*?)^## /m.exec(guide) ?? []
  const rows = section.split('\n').filter((line) => line.startsWith('| '))
  for (const name of [
    'Consul',
    'etcd',
    'Nacos',
    'ZooKeeper',
    'Kubernetes',
    'Redis',
    'health',
    '`client`',
    'fetch',
    'Webhook',
    'mail',
  ]) {
    expect(
      rows.some((row) => row.split('|')[1]?.toLowerCase().includes(name.toLowerCase())),
      name,
    ).toBe(true)
  }
})
