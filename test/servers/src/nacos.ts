import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { useExternalServer } from './external-server.ts'
import { freePort, freePorts, untilReady } from './network.ts'
import type { ServerSource } from './sources.ts'
import { type LaunchPlan, launch, type TestServer } from './test-server.ts'

const maxStarts = 8
/** Time in which a server stores a text, in milliseconds. */
const keptLimitMs = 3_000

/** A user and its password. */
export interface NacosUser {
  readonly username: string
  readonly password: string
}

/** Options of {@link startNacos}. */
export interface NacosOptions {
  /** Requires a login, with this first user. @default no login */
  readonly auth?: NacosUser
  /** Lifetime of a login, in seconds. @default 3_600 */
  readonly loginSeconds?: number
  /** Time without a heartbeat after which an instance is unhealthy, in seconds. @default 15 */
  readonly unhealthyAfterSeconds?: number
  /** Time without a heartbeat after which an instance is removed, in seconds. @default 30 */
  readonly removeAfterSeconds?: number
}

/** A Nacos-compatible server with one node: rnacos, which has the v1 client API and gRPC but not v3. */
export interface NacosServer extends TestServer {
  /** HTTP port on 127.0.0.1. */
  readonly port: number
  /** gRPC port on 127.0.0.1: 1,000 above the HTTP port, as for all Nacos servers. */
  readonly grpcPort: number
}

const grpcPortOffset = 1_000

/** Starts a Nacos-compatible server. */
export async function startNacos(source: ServerSource, options: NacosOptions = {}): Promise<NacosServer> {
  if (source.kind === 'address') {
    const server = useExternalServer('nacos', source)
    return { ...server, grpcPort: server.port + grpcPortOffset }
  }
  const { auth, loginSeconds = 3_600, unhealthyAfterSeconds = 15, removeAfterSeconds = 30 } = options
  const [port, grpcPort] = await freePorts(grpcPortOffset)
  const consolePort = await freePort()
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
    // After this time without a message, it asks a gRPC client for a sign of life, and waits 3 s for it.
    RNACOS_GRPC_DETECTION_TIMEOUT_SECOND: String(unhealthyAfterSeconds),
    RUST_LOG: 'warn',
    ...(auth && {
      RNACOS_ENABLE_OPEN_API_AUTH: 'true',
      RNACOS_INIT_ADMIN_USERNAME: auth.username,
      RNACOS_INIT_ADMIN_PASSWORD: auth.password,
      RNACOS_API_LOGIN_TIMEOUT: String(loginSeconds),
      // The readiness probe logs in until the first user exists.
      RNACOS_API_LOGIN_ONE_MINUTE_LIMIT: '100000',
    }),
  }
  const plan: LaunchPlan = {
    name: 'nacos',
    source,
    env: environment,
    prepare: async (folder) => void (await mkdir(join(folder, 'nacos'))),
    args: () => [],
    probe: () => isReady(`http://127.0.0.1:${port}`, auth),
    readyLimitMs: 15_000,
  }
  const url = `http://127.0.0.1:${port}/nacos/v1`
  const server = await startAny(plan)
  async function restartEmpty(): Promise<void> {
    await server.restartEmpty()
    await untilKept()
  }
  /**
   * After about one of ten starts with an empty folder, rnacos 0.8.8 accepts every publish but stores nothing, until it
   * is restarted.
   */
  async function untilKept(): Promise<void> {
    for (let starts = 1; !(await keepsTexts(url, auth)); starts++) {
      if (starts === maxStarts) throw new Error(`nacos stores nothing after ${maxStarts} starts`)
      await server.restartEmpty()
    }
  }
  await untilKept()
  return { ...server, restartEmpty, port, grpcPort }
}

/**
 * Restarts it if it panics, as rnacos 0.8.8 does at about one of ten starts with an empty folder, when it creates the
 * first user before its log.
 */
async function startAny(plan: LaunchPlan): Promise<TestServer> {
  for (let starts = 1; ; starts++) {
    try {
      return await launch(plan)
    } catch (error) {
      if (starts === maxStarts || !String(error).includes('panicked')) throw error
    }
  }
}

/** Whether the server stored what was published. */
async function keepsTexts(url: string, auth: NacosUser | undefined): Promise<boolean> {
  const place: Record<string, string> = { dataId: 'sd.start', group: 'sd' }
  if (auth) {
    const login = await fetch(`${url}/auth/login`, { method: 'POST', body: new URLSearchParams({ ...auth }) })
    place['accessToken'] = ((await login.json()) as { readonly accessToken: string }).accessToken
  }
  const read = async (): Promise<void> => {
    await fetch(`${url}/cs/configs`, { method: 'POST', body: new URLSearchParams({ ...place, content: 'x' }) })
    const { ok, status } = await fetch(`${url}/cs/configs?${new URLSearchParams(place)}`)
    if (!ok) throw new Error(`not stored: ${status}`)
  }
  // On a busy machine it stores the first texts late, or loses them while it starts.
  return untilReady(read, keptLimitMs, () => false).then(
    () => true,
    () => false,
  )
}

/** With a login, it is ready when its first user exists. */
async function isReady(url: string, auth: NacosUser | undefined): Promise<void> {
  const signal = AbortSignal.timeout(1_000)
  const response = await (auth
    ? fetch(`${url}/nacos/v1/auth/login`, { method: 'POST', body: new URLSearchParams({ ...auth }), signal })
    : fetch(`${url}/health`, { signal }))
  if (!response.ok) throw new Error(`not ready yet: ${response.status}`)
}
