import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createCanaryRelease, createMemoryConfigSource, type MemoryConfigSource } from '@sd/config'
import { type ConfigHistory, createConfigHistory, createMemoryStore } from '@sd/config-history'
import type { DashboardAuditEntry } from '../changes/audit.ts'
import { assembleDashboard } from '../dashboard.ts'
import { type DashboardOptions, resolveDashboardOptions } from '../options.ts'
import { resolveAuthentication } from '../security/authentication.ts'
import { createScriptedFleet, type ScriptedFleet, type ScriptedFleetOptions } from './scripted-fleet.ts'

/** The token of the console of tests. */
export const TOKEN: string = 'a-token-of-24-characters'

/** A dashboard of a scripted fleet, on loopback. */
export interface TestConsole extends AsyncDisposable {
  readonly fleet: ScriptedFleet
  readonly source: MemoryConfigSource
  readonly history: ConfigHistory
  readonly audit: DashboardAuditEntry[]
  readonly port: number
  /** Address of the page. */
  readonly url: string
  readonly token: string
  /** Stops listening, as a server that is unreachable. */
  stop(): Promise<void>
  /** Listens again on the same port. */
  start(): Promise<void>
}

/** Options of {@link startConsole}. */
export interface TestConsoleOptions extends Partial<DashboardOptions> {
  readonly now?: () => number
  readonly script?: ScriptedFleetOptions
  /** Called before the dashboard. @returns `true` if it answered */
  readonly before?: (request: IncomingMessage, response: ServerResponse) => boolean
}

/** Starts a dashboard. The token is {@link TOKEN}, and the entry `orders.yaml` has four versions and a canary release. */
export async function startConsole(options: TestConsoleOptions = {}): Promise<TestConsole> {
  const { now, script, before, ...rest } = options
  const scripted = createScriptedFleet(script)
  const { source, history, canary } = await createConfig()
  const audit: DashboardAuditEntry[] = []
  const dashboard = assembleDashboard(
    resolveDashboardOptions(
      {
        fleet: scripted,
        onAudit: (entry) => void audit.push(entry),
        configs: [{ source, histories: { 'orders.yaml': history }, canaries: { 'orders.yaml': canary } }],
        ...Object.fromEntries(Object.entries(rest).filter(([name]) => name !== 'authenticate')),
      },
      resolveAuthentication(rest.authenticate ?? { kind: 'token', token: TOKEN }),
    ),
    now,
  )
  const server = createServer((request, response) => {
    if (before?.(request, response)) return
    if (!dashboard.handler(request, response)) response.writeHead(404).end()
  })
  async function start(port: number): Promise<void> {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
  }
  async function stop(): Promise<void> {
    const closed = new Promise((resolve) => server.close(resolve))
    server.closeAllConnections()
    await closed
  }
  await start(0)
  const { port } = server.address() as AddressInfo
  return {
    fleet: scripted,
    source,
    history,
    audit,
    port,
    url: `http://127.0.0.1:${port}${rest.basePath ?? ''}/`,
    token: TOKEN,
    stop,
    start: () => start(port),
    async [Symbol.asyncDispose]() {
      await dashboard.close()
      if (server.listening) await stop()
      await source.close()
    },
  }
}

async function createConfig() {
  const source = createMemoryConfigSource({ name: 'etcd' })
  const history = createConfigHistory({ source, key: 'orders.yaml', store: createMemoryStore(), author: 'ann' })
  const text = (size: number, sealed = ''): string =>
    `db:\n  url: postgres://db/orders\n  password: tiger-canary\n  pool:\n    size: ${size}\n${sealed}`
  await history.put(text(5), { comment: 'begin' })
  await history.put(text(10), { comment: 'pool for the sale' })
  await source.put('orders.yaml', text(10, 'mail:\n  sender: ENC[2026-01:AQIDBAUG]\n'), {})
  await history.put(text(1_000, 'mail:\n  sender: ENC[2026-01:AQIDBAUG]\n'), { author: 'bob', comment: 'more!' })
  await source.put('flags.json', '{"checkout":{"new":true},"apiKey":"tiger-canary"}', {})
  const canary = createCanaryRelease({ source, key: 'orders.yaml' })
  await canary.publish(text(20), { rule: { share: 10 }, author: 'ann', comment: 'try 20' })
  return { source, history, canary }
}
