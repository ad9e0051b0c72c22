import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { freePort, probePort } from './network.ts'
import type { ServerSource } from './sources.ts'
import { launch, type TestServer } from './test-server.ts'

/** Options of {@link startNacos}. */
export interface NacosOptions {
  /** Wants a login, with this first user. */
  readonly auth?: { readonly username: string; readonly password: string }
  /** Without a heartbeat an instance is unhealthy after so many seconds. @default 15 */
  readonly unhealthyAfterSeconds?: number
  /** Without a heartbeat an instance is removed after so many seconds. @default 30 */
  readonly removeAfterSeconds?: number
}

/** A Nacos-compatible server of one node: rnacos, which has the v1 and not the v3 client API. */
export interface NacosServer extends TestServer {
  /** HTTP port on 127.0.0.1. */
  readonly port: number
}

/** Starts a Nacos-compatible server. */
export async function startNacos(source: ServerSource, options: NacosOptions = {}): Promise<NacosServer> {
  if (source.kind === 'address') throw new Error('this Nacos must be owned by the test')
  const { auth, unhealthyAfterSeconds = 15, removeAfterSeconds = 30 } = options
  const [port, grpcPort, consolePort] = [await freePort(), await freePort(), await freePort()]
  const environment: Record<string, string> = {
    RNACOS_SDK_HOST: '127.0.0.1',
    RNACOS_CONSOLE_HOST: '127.0.0.1',
    RNACOS_HTTP_PORT: String(port),
    RNACOS_GRPC_PORT: String(grpcPort),
    RNACOS_HTTP_CONSOLE_PORT: String(consolePort),
    RNACOS_RAFT_NODE_ADDR: `127.0.0.1:${grpcPort}`,
    RNACOS_DATA_DIR: 'nacos',
    RNACOS_NAMING_HEALTH_TIMEOUT_SECOND: String(unhealthyAfterSeconds),
    RNACOS_NAMING_INSTANCE_TIMEOUT_SECOND: String(removeAfterSeconds),
    RUST_LOG: 'warn',
    ...(auth && {
      RNACOS_ENABLE_OPEN_API_AUTH: 'true',
      RNACOS_INIT_ADMIN_USERNAME: auth.username,
      RNACOS_INIT_ADMIN_PASSWORD: auth.password,
    }),
  }
  const server = await launch({
    name: 'nacos',
    source,
    env: environment,
    prepare: async (folder) => void (await mkdir(join(folder, 'nacos'))),
    args: () => [],
    probe: () => (auth ? probePort(port) : isHealthy(`http://127.0.0.1:${port}/health`)),
  })
  return { ...server, port }
}

async function isHealthy(url: string): Promise<void> {
  const response = await fetch(url, { signal: AbortSignal.timeout(1_000) })
  if (!response.ok) throw new Error('not healthy yet')
}
