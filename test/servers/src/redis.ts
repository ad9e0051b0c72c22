import { writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import type { CertificateSet } from './certificates.ts'
import { useExternalServer } from './external-server.ts'
import { libraryPath } from './library-path.ts'
import { freePort, probePort } from './network.ts'
import type { ServerSource } from './sources.ts'
import { launch, type TestServer } from './test-server.ts'

/** Options of {@link startRedis}. */
export interface RedisOptions {
  /** Password of the user `default`. @default none */
  readonly password?: string
  /** Serves TLS only, and requires a client certificate of the same authority. @default plain TCP */
  readonly tls?: CertificateSet
  /** Additional lines of the configuration, such as `maxmemory 2mb`. @default none */
  readonly config?: readonly string[]
}

/** A Redis without persistence. */
export interface RedisServer extends TestServer {
  /** Port for clients on 127.0.0.1. */
  readonly port: number
}

/** Starts Redis. */
export async function startRedis(source: ServerSource, options: RedisOptions = {}): Promise<RedisServer> {
  if (source.kind === 'address') return useExternalServer('redis', source)
  const { password, tls, config = [] } = options
  const port = await freePort()
  const server = await launch({
    name: 'redis',
    source,
    env: libraryPath(source),
    async prepare(folder) {
      const lines = [
        'bind 127.0.0.1',
        `${tls ? 'tls-port' : 'port'} ${port}`,
        'save ""',
        'appendonly no',
        `dir ${folder}`,
        ...(password === undefined ? [] : [`requirepass ${JSON.stringify(password)}`]),
        ...(tls ? await secure(folder, tls) : []),
        ...config,
      ]
      await writeFile(join(folder, 'redis.conf'), `${lines.join('\n')}\n`)
    },
    args: (folder) => [join(folder, 'redis.conf')],
    probe: () => (tls ? probePort(port) : isServing(port)),
  })
  return { ...server, port }
}

/** Writes certificates and returns the configuration lines that use them. */
async function secure(folder: string, { ca, server }: CertificateSet): Promise<readonly string[]> {
  const file = (name: string): string => join(folder, `${name}.pem`)
  await Promise.all([writeFile(file('ca'), ca), writeFile(file('cert'), server.cert), writeFile(file('key'), server.key)])
  return ['port 0', `tls-ca-cert-file ${file('ca')}`, `tls-cert-file ${file('cert')}`, `tls-key-file ${file('key')}`]
}

/** Resolves if it responds, even if it requires a password first. */
function isServing(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', timeout: 2_000 })
    socket.once('connect', () => socket.write('PING\r\n'))
    socket.once('data', (data) => {
      socket.destroy()
      const reply = String(data)
      if (/^(?:\+PONG|-NOAUTH)/.test(reply)) resolve()
      else reject(new Error(`not serving yet: ${reply}`))
    })
    socket.once('timeout', () => socket.destroy(new Error('no response')))
    socket.once('error', reject)
  })
}
