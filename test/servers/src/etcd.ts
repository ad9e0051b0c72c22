import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { CertificateSet } from './certificates.ts'
import { useExternalServer } from './external-server.ts'
import { freePort, probePort } from './network.ts'
import type { ServerSource } from './sources.ts'
import { launch, type TestServer } from './test-server.ts'

/** Options of {@link startEtcd}. */
export interface EtcdOptions {
  /** Serves TLS only, and requires a client certificate of the same authority. @default plain HTTP */
  readonly tls?: CertificateSet
  /** Additional command line arguments. @default none */
  readonly args?: readonly string[]
}

/** An etcd with one member. */
export interface EtcdServer extends TestServer {
  /** Port for clients on 127.0.0.1. */
  readonly port: number
}

/** Starts etcd. */
export async function startEtcd(source: ServerSource, options: EtcdOptions = {}): Promise<EtcdServer> {
  if (source.kind === 'address') return useExternalServer('etcd', source)
  const { tls, args = [] } = options
  const [port, peerPort] = [await freePort(), await freePort()]
  const scheme = tls ? 'https' : 'http'
  const server = await launch({
    name: 'etcd',
    source,
    async prepare(folder) {
      if (!tls) return
      for (const [file, text] of Object.entries({ ca: tls.ca, cert: tls.server.cert, key: tls.server.key })) {
        await writeFile(join(folder, `${file}.pem`), text)
      }
    },
    args: (folder) => [
      ...['--data-dir', join(folder, 'etcd'), '--name', 'test', '--log-level', 'warn', '--unsafe-no-fsync'],
      ...['--listen-client-urls', `${scheme}://127.0.0.1:${port}`, '--advertise-client-urls', `${scheme}://127.0.0.1:${port}`],
      ...['--listen-peer-urls', `http://127.0.0.1:${peerPort}`],
      ...['--initial-advertise-peer-urls', `http://127.0.0.1:${peerPort}`],
      ...['--initial-cluster', `test=http://127.0.0.1:${peerPort}`],
      ...(tls
        ? ['--client-cert-auth', '--trusted-ca-file', join(folder, 'ca.pem'), '--cert-file', join(folder, 'cert.pem')]
        : []),
      ...(tls ? ['--key-file', join(folder, 'key.pem')] : []),
      ...args,
    ],
    probe: () => (tls ? probePort(port) : isHealthy(`http://127.0.0.1:${port}/health`)),
  })
  return { ...server, port }
}

async function isHealthy(url: string): Promise<void> {
  const response = await fetch(url, { signal: AbortSignal.timeout(1_000) })
  if (!(await response.text()).includes('"true"')) throw new Error('not healthy yet')
}
