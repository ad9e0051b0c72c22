import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { FramingAddress } from '@sd/testing'
import { listening, type Peer, type Running } from './peer.ts'
import { startPlainHttp1, startPlainHttp2 } from './plain.ts'

const home = fileURLToPath(new URL('../../../../.cache/framing-peers', import.meta.url))

/** fast-gateway 5.0.1 wants a version of fast-proxy-lite that was not published. */
const manifest = {
  private: true,
  dependencies: {
    '@fastify/http-proxy': '11.6.3',
    'fast-gateway': '5.0.1',
    fastify: '5.12.8',
    'http-proxy-3': '2.0.1',
    httpxy: '0.5.6',
  },
  overrides: { 'fast-proxy-lite': '1.1.2' },
}

/** Installs the proxies of others with npm, once, and returns their `require`. This repository does not depend on them. */
async function loadPeers(): Promise<NodeJS.Require> {
  const done = join(home, `installed-${Object.values(manifest.dependencies).join('-')}`)
  if (!existsSync(done)) {
    await mkdir(home, { recursive: true })
    await writeFile(join(home, 'package.json'), JSON.stringify(manifest))
    await promisify(execFile)('npm', ['install', '--no-audit', '--no-fund'], { cwd: home })
    await writeFile(done, '')
  }
  return createRequire(join(home, 'package.json'))
}

type Fastify = (options: object) => {
  register(plugin: unknown, options: object): unknown
  listen(options: object): Promise<string>
  close(): Promise<void>
  readonly server: Server
}

async function startFastify(upstream: FramingAddress): Promise<Running> {
  const load = await loadPeers()
  const app = (load('fastify') as Fastify)({ forceCloseConnections: true })
  app.register(load('@fastify/http-proxy'), { upstream: urlOf(upstream) })
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  return { address: { host: '127.0.0.1', port }, close: () => app.close() }
}

type FastGateway = (options: object) => { start(port: number, host: string): Promise<Server> }

async function startFastGateway(upstream: FramingAddress): Promise<Running> {
  const load = await loadPeers()
  const routes = [{ prefix: '', prefixRewrite: '', target: urlOf(upstream) }]
  const server = await (load('fast-gateway') as FastGateway)({ routes }).start(0, '127.0.0.1')
  return {
    address: { host: '127.0.0.1', port: (server.address() as AddressInfo).port },
    async close() {
      server.close()
      server.closeAllConnections()
    },
  }
}

type Proxy = {
  web(request: IncomingMessage, response: ServerResponse, options?: object): unknown
  on(event: string, listener: (...values: never[]) => void): unknown
}

/** The heirs of http-proxy: the application has the server, the error handler and the agent. */
async function startProxy(upstream: FramingAddress, create: (load: NodeJS.Require) => Proxy): Promise<Running> {
  const proxy = create(await loadPeers())
  function fail(response: ServerResponse): void {
    if (response.headersSent) response.destroy()
    else response.writeHead(502).end()
  }
  proxy.on('error', (_error: Error, _request: IncomingMessage, response: ServerResponse) => fail(response))
  const server = createServer((request, response) => {
    Promise.resolve(proxy.web(request, response, { target: urlOf(upstream) })).catch(() => fail(response))
  })
  return listening(server)
}

function urlOf({ host, port }: FramingAddress): string {
  return `http://${host}:${port}`
}

/** Proxies for Node.js. */
export const nodePeers: readonly Peer[] = [
  { name: 'node:http + undici', front: 'h1', upstream: 'h1', start: startPlainHttp1 },
  { name: 'node:http2 + undici', front: 'h2', upstream: 'h1', start: startPlainHttp2 },
  { name: '@fastify/http-proxy', front: 'h1', upstream: 'h1', start: startFastify },
  { name: 'fast-gateway', front: 'h1', upstream: 'h1', start: startFastGateway },
  {
    name: 'httpxy',
    front: 'h1',
    upstream: 'h1',
    start: (upstream) =>
      startProxy(upstream, (load) => (load('httpxy') as { createProxyServer(options: object): Proxy }).createProxyServer({})),
  },
  {
    name: 'http-proxy-3',
    front: 'h1',
    upstream: 'h1',
    start: (upstream) =>
      startProxy(upstream, (load) =>
        (load('http-proxy-3') as { createProxyServer(options: object): Proxy }).createProxyServer({}),
      ),
  },
]
