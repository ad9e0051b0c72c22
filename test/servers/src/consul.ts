import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { CertificateSet } from './certificates.ts'
import { useExternalServer } from './external-server.ts'
import { freePort, probePort } from './network.ts'
import type { ServerSource } from './sources.ts'
import { launch, type TestServer } from './test-server.ts'

/** Options of {@link startConsul}. */
export interface ConsulOptions {
  /** Token of an administrator. It enables ACLs, with no permissions for requests without a token. @default ACLs are off */
  readonly managementToken?: string
  /** Serves HTTPS only, and requires a client certificate of the same authority. @default HTTP */
  readonly tls?: CertificateSet
  /** Ports for other servers. @default free ones */
  readonly peerPorts?: { readonly server: number; readonly serf: number }
  /** Additional configuration of the agent. @default none */
  readonly config?: Readonly<Record<string, unknown>>
}

/** A Consul server that is also its own agent. */
export interface ConsulServer extends TestServer {
  /** Port of the HTTP API on 127.0.0.1. */
  readonly port: number
  /** Port that other agents join. */
  readonly serfPort: number
  /** Sends a request to `/v1…` as an administrator. @throws Error if the response is not a success */
  call(method: string, path: string, body?: unknown): Promise<unknown>
}

/** Starts a single server, or an agent that joins one by `config`. TLS is for clients only; `call` does not support it. */
export async function startConsul(source: ServerSource, options: ConsulOptions = {}): Promise<ConsulServer> {
  const external = source.kind === 'address' ? useExternalServer('consul', source) : undefined
  const { managementToken, tls, config } = options
  const { server: serverPort, serf: serfPort } = options.peerPorts ?? { server: await freePort(), serf: await freePort() }
  const port = external?.port ?? (await freePort())

  async function call(method: string, path: string, body?: unknown): Promise<unknown> {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, {
      method,
      headers: managementToken === undefined ? {} : { 'x-consul-token': managementToken },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(5_000),
    })
    const text = await response.text()
    if (!response.ok) throw new Error(`consul: ${method} ${path}: ${response.status} ${text}`)
    return /^[[{"]/.test(text) ? JSON.parse(text) : text
  }

  if (source.kind === 'address') return { ...useExternalServer('consul', source), serfPort, call }
  const server = await launch({
    name: 'consul',
    source,
    async prepare(folder) {
      const files = { ca_file: tls?.ca, cert_file: tls?.server.cert, key_file: tls?.server.key }
      for (const [file, text] of Object.entries(files)) if (text) await writeFile(join(folder, file), text)
      const settings = {
        ...{ server: true, bootstrap_expect: 1, node_name: `node-${port}`, bind_addr: '127.0.0.1', client_addr: '127.0.0.1' },
        ...{
          data_dir: join(folder, 'consul'),
          log_level: 'warn',
          disable_update_check: true,
          performance: { raft_multiplier: 1 },
        },
        ...{ connect: { enabled: false }, peering: { enabled: false } },
        ports: {
          ...{ http: tls ? -1 : port, https: tls ? port : -1, server: serverPort, serf_lan: serfPort },
          ...{ serf_wan: -1, dns: -1, grpc: -1, grpc_tls: -1 },
        },
        ...(tls && { tls: { https: { ...fileNames(folder, files), verify_incoming: true } } }),
        ...(managementToken && {
          acl: {
            ...{ enabled: true, default_policy: 'deny' },
            tokens: { initial_management: managementToken, agent: managementToken },
          },
        }),
        ...config,
      }
      await writeFile(join(folder, 'config.json'), JSON.stringify(settings))
    },
    args: (folder) => ['agent', '-config-file', join(folder, 'config.json')],
    probe: () => (tls ? probePort(port) : isReady(call)),
  })
  return { ...server, port, serfPort, call }
}

function fileNames(folder: string, files: object): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.keys(files).map((file) => [file, join(folder, file)]))
}

/** Ready means that there is a leader, and that the agent has registered its own node. */
async function isReady(call: ConsulServer['call']): Promise<void> {
  if ((await call('GET', '/v1/status/leader')) === '') throw new Error('no leader yet')
  const nodes = (await call('GET', '/v1/catalog/nodes')) as readonly unknown[]
  if (nodes.length === 0) throw new Error('no node yet')
}
