import { mkdir, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import type { CertificateSet } from './certificates.ts'
import { useExternalServer } from './external-server.ts'
import { freePort } from './network.ts'
import { findOnPath, type ServerSource } from './sources.ts'
import { launch, type TestServer } from './test-server.ts'

/** Options of {@link startZooKeeper}. */
export interface ZooKeeperOptions {
  /** Additional lines of the configuration file, such as `maxClientCnxns=1`. @default none */
  readonly config?: readonly string[]
  /** Also serves TLS on a second port, and requires a client certificate of the same authority there. @default no TLS */
  readonly tls?: CertificateSet
  /** Makes it a member of an ensemble. @default standalone */
  readonly quorum?: {
    /** Number of this member, starting at 1. */
    readonly id: number
    /** All members in the order of their numbers, as `address:quorumPort:electionPort`. */
    readonly servers: readonly string[]
  }
}

/** A ZooKeeper, standalone unless `quorum` is given. It allows sessions from 400 ms to 60 s. */
export interface ZooKeeperServer extends TestServer {
  /** Port for clients on 127.0.0.1. */
  readonly port: number
  /** Port for TLS, if enabled. */
  readonly securePort: number
}

/** Starts ZooKeeper. */
export async function startZooKeeper(source: ServerSource, options: ZooKeeperOptions = {}): Promise<ZooKeeperServer> {
  if (source.kind === 'address') return { ...useExternalServer('zookeeper', source), securePort: 0 }
  const java = findOnPath('java')
  if (source.kind !== 'binary' || !java) throw new Error('ZooKeeper needs its jars, and java on PATH')
  const { config = [], tls, quorum } = options
  const mainClass = `org.apache.zookeeper.server.${quorum ? 'quorum.QuorumPeerMain' : 'ZooKeeperServerMain'}`
  const [port, securePort] = [await freePort(), await freePort()]
  const server = await launch({
    name: 'zookeeper',
    source,
    program: java,
    async prepare(folder) {
      const lines = [
        'tickTime=200',
        'maxSessionTimeout=60000',
        `dataDir=${join(folder, 'zookeeper')}`,
        'clientPortAddress=127.0.0.1',
        `clientPort=${port}`,
        'maxClientCnxns=0',
        'admin.enableServer=false',
        '4lw.commands.whitelist=*',
        'forceSync=no',
        ...config,
        ...(tls ? await secure(folder, securePort, tls) : []),
        ...(quorum
          ? ['initLimit=50', 'syncLimit=10', ...quorum.servers.map((server, index) => `server.${index + 1}=${server}`)]
          : []),
      ]
      if (quorum) {
        await mkdir(join(folder, 'zookeeper'))
        await writeFile(join(folder, 'zookeeper', 'myid'), String(quorum.id))
      }
      await writeFile(join(folder, 'zoo.cfg'), `${lines.join('\n')}\n`)
    },
    args: (folder) => [
      ...['-Xmx128m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn'],
      ...['-cp', join(source.folder, '*'), mainClass, join(folder, 'zoo.cfg')],
    ],
    probe: () => isServing(port),
  })
  return { ...server, port, securePort }
}

/** Writes certificates and returns the configuration lines that use them. */
async function secure(folder: string, port: number, { ca, server }: CertificateSet): Promise<readonly string[]> {
  const [keyStore, trustStore] = [join(folder, 'server.pem'), join(folder, 'ca.pem')]
  await Promise.all([writeFile(keyStore, `${server.key}\n${server.cert}`), writeFile(trustStore, ca)])
  return [
    `secureClientPort=${port}`,
    'secureClientPortAddress=127.0.0.1',
    'serverCnxnFactory=org.apache.zookeeper.server.NettyServerCnxnFactory',
    `ssl.keyStore.location=${keyStore}`,
    `ssl.trustStore.location=${trustStore}`,
    'ssl.clientAuth=need',
  ]
}

async function isServing(port: number): Promise<void> {
  const reply = await queryZooKeeper(port)
  if (!reply.includes('Mode: ')) throw new Error(`not serving yet: ${reply}`)
}

/** Requests the server's status, which contains its mode when it is serving. */
export function queryZooKeeper(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', timeout: 2_000 })
    let reply = ''
    socket.setEncoding('utf8')
    socket.on('connect', () => socket.write('srvr'))
    socket.on('data', (text) => {
      reply += String(text)
    })
    socket.once('timeout', () => socket.destroy(new Error('no response')))
    socket.once('error', reject)
    socket.once('close', () => resolve(reply))
  })
}
