import { readFile } from 'node:fs/promises'
import { isDeepStrictEqual } from 'node:util'
import type { AdminServer } from '@sd/admin'
import { createP2cBalancer } from '@sd/balancer-p2c'
import { type ClientSettings, createHttp1Transport, createServiceClient } from '@sd/client'
import {
  ADMIN_PORT,
  invalidError,
  type RateLimiter,
  type ReadOnlyRegistry,
  type Registrar,
  type SdError,
  toSdError,
} from '@sd/core'
import { createDiscovery } from '@sd/discovery'
import { createGateway, type Gateway, type ListenerAddress } from '@sd/gateway'
import {
  describeProblem,
  type FollowedGatewayDocument,
  followGatewayDocument,
  type GatewayDocument,
  type GatewayDocumentReport,
  type GatewayDocumentTargets,
} from '@sd/gateway-document'
import { advertisedAddress, createLifecycle, type Lifecycle, type ShutdownReport } from '@sd/lifecycle'
import { createMetrics, createSystemCollector, type Metrics } from '@sd/metrics-prometheus'
import { createMemoryRateLimiter } from '@sd/rate-limit-memory'
import { createDiscoverySource, createRegistry } from '@sd/registry'
import { createMemoryRegistry } from '@sd/registry-memory'
import type { EventLog } from '../event-log.ts'
import { createPartLoader, type PartLoader } from '../part-loader.ts'
import { parts } from '../parts.ts'
import { createAccessLog } from './access-log.ts'
import { startAdmin } from './admin-endpoint.ts'
import type { ObserveHandler } from './observe-server.ts'
import { createUnlistedRegistrar } from './unlisted-registrar.ts'

/** Options of {@link startGatewayProcess}. */
export interface GatewayProcessOptions {
  /** Path of the document. */
  readonly file: string
  readonly log: EventLog
  /** Receives the lines of the access log. */
  readonly writeAccess: (lines: string) => void
  /** Labels of all metrics, and fields of the access log. */
  readonly labels: Readonly<Record<string, string>>
  /** Signals that drain and end the process. */
  readonly signals: readonly NodeJS.Signals[]
}

/** A gateway with everything that it needs. */
export interface GatewayProcess {
  readonly document: FollowedGatewayDocument
  readonly addresses: readonly ListenerAddress[]
  readonly metrics: Metrics
  readonly lifecycle: Lifecycle
  /** Responds to requests for metrics and health. */
  readonly observe: ObserveHandler
  /** Reads the document again. Never rejects: the outcome is in the log. */
  reload(): Promise<void>
  /** Drains and ends everything. Idempotent. */
  close(): Promise<ShutdownReport>
}

/** Ends, in the order in which they were added, reversed. */
type Ends = (() => unknown)[]

/** Starts the gateway of a document. @throws SdError if the document is refused, or a part can't start */
export async function startGatewayProcess(options: GatewayProcessOptions): Promise<GatewayProcess> {
  const ends: Ends = []
  try {
    return await start(options, ends)
  } catch (error) {
    for (const end of ends.reverse()) await end()
    throw error
  }
}

async function start({ file, log, writeAccess, labels, signals }: GatewayProcessOptions, ends: Ends): Promise<GatewayProcess> {
  const loader = createPartLoader(file, (error) => log.error('part', error))
  const document = await followGatewayDocument({
    file,
    parts,
    load: loader.load,
    onReport(report) {
      logReport(log, report)
      if (report.kind === 'applied') warnOfRestart(log, current, document.current)
    },
  })
  ends.push(() => document.close())
  const { current } = document
  for (const warning of document.warnings) log.info('warning', { message: describeProblem(warning) })
  const metrics = createMetrics({ labels, onError: (error) => log.error('metrics', error) })
  ends.push(() => metrics.close())
  metrics.addCollector(createSystemCollector())
  const source = await openRegistry(current)
  ends.push(() => source.close())
  const targets = await startGateway({ document: current, source, loader, log }, ends)
  const { gateway } = targets
  document.attach(targets)
  if (current.observe.accessLog === 'json') {
    const accessLog = createAccessLog(writeAccess, labels)
    ends.push(() => accessLog.close())
  }
  const admin = await startAdmin(current, metrics)
  if (admin) {
    ends.push(() => admin.close())
    log.info('admin', { url: `${admin.origin}/sd/v1` })
  }
  const lifecycle = createLifecycle({
    registrar: current.register ? (source as unknown as Registrar) : createUnlistedRegistrar(),
    instance: await createInstance(current, gateway, admin),
    server: gateway.drainable,
    propagationDelayMs: current.drain.propagationDelayMs,
    drainTimeoutMs: current.drain.timeoutMs,
    livePath: current.observe.livePath,
    readyPath: current.observe.readyPath,
    signals,
    onShutdown: [...ends].reverse(),
    onError: (error) => log.error('shutdown', error),
  })
  await lifecycle.start()
  return {
    document,
    addresses: gateway.addresses,
    metrics,
    lifecycle,
    observe(request, response) {
      if (request.url?.split('?', 1)[0] !== '/metrics') return lifecycle.handleHealth(request, response)
      metrics.handler(request, response)
      return true
    },
    async reload() {
      try {
        await document.reload()
        log.info('reloaded')
      } catch (error) {
        log.error('refused', error)
      }
    },
    close: () => lifecycle.close(),
  }
}

/** Opens the registry of a document. A document without one gets an empty registry: its routes only redirect and respond. */
async function openRegistry({ registry, register }: GatewayDocument): Promise<ReadOnlyRegistry> {
  if (registry === undefined) {
    if (register) throw invalidError('registry', registry, 'a URL, because register needs a registry')
    return createMemoryRegistry()
  }
  return register ? createRegistry(registry) : createDiscoverySource(registry)
}

/** Reads the secrets of affinity cookies. @throws SdError `SD_UNAVAILABLE` if a file can't be read; no message shows a secret */
function readAffinityKeys({ affinityKeys }: GatewayDocument): Promise<readonly string[]> {
  return Promise.all(
    affinityKeys.map(async (key, index) => {
      if (!key.startsWith('file:')) return key
      try {
        return (await readFile(key.slice('file:'.length), 'utf8')).trim()
      } catch (error) {
        throw toSdError(error, 'SD_UNAVAILABLE', `affinityKeys[${index}]`)
      }
    }),
  )
}

/** Creates the rate limiters of routes. */
function createRateLimiters(document: GatewayDocument, ends: Ends): Readonly<Record<string, RateLimiter>> {
  return Object.fromEntries(
    Object.entries(document.rateLimiters).map(([name, options]) => {
      const limiter = createMemoryRateLimiter({ name, ...options } as never)
      ends.push(() => limiter.close())
      return [name, limiter]
    }),
  )
}

interface GatewayNeeds {
  readonly document: GatewayDocument
  readonly source: ReadOnlyRegistry
  readonly loader: PartLoader
  readonly log: EventLog
}

/** Starts the gateway, with what follows its document. */
async function startGateway(
  { document, source, loader, log }: GatewayNeeds,
  ends: Ends,
): Promise<GatewayDocumentTargets & { readonly gateway: Gateway }> {
  const { name, table, settings } = document
  const discovery = createDiscovery({ source, onError: (error: SdError) => log.error('discovery', error) })
  ends.push(() => discovery.close())
  discovery.configure(settings.discovery)
  const balancer = createP2cBalancer()
  const client = createServiceClient({ discovery, balancer, transport: createHttp1Transport() })
  ends.push(() => client.close())
  const configure = (next: ClientSettings): void => client.configure({ balancer, ...next })
  configure(settings.client)
  const rateLimiters = createRateLimiters(document, ends)
  loader.start({ discovery, rateLimiters })
  const gateway = await createGateway({
    client,
    discovery,
    table,
    filters: loader.filters,
    protocols: loader.protocols,
    rateLimiters,
    affinityKeys: await readAffinityKeys(document),
    ...(name !== undefined && { name }),
  })
  ends.push(() => gateway.close())
  return { gateway, discovery, client: { configure } }
}

async function createInstance({ register }: GatewayDocument, { addresses }: Gateway, admin: AdminServer | undefined) {
  if (!register) return { service: 'gateway', address: '127.0.0.1' }
  const { listener, address = await advertisedAddress({ otherwise: 'loopback' }), ...rest } = register
  const port = addresses.find((bound) => bound.listener === listener)?.port
  const { zone, ...instance } = rest
  const adminPort = admin?.portAt(address)
  return {
    ...instance,
    address,
    ...(port !== undefined && { port }),
    ...(adminPort !== undefined && { ports: { [ADMIN_PORT]: adminPort } }),
    ...(zone !== undefined && { locality: { zone } }),
  }
}

/** What takes effect only with a restart. */
const fixedFields = [
  'name',
  'registry',
  'rateLimiters',
  'affinityKeys',
  'observe',
  'admin',
  'drain',
  'register',
  'workers',
] as const

function warnOfRestart(log: EventLog, started: GatewayDocument, current: GatewayDocument): void {
  const fields = fixedFields.filter((field) => !isDeepStrictEqual(started[field], current[field]))
  if (fields.length > 0) log.info('restart-needed', { fields })
}

function logReport(log: EventLog, report: GatewayDocumentReport): void {
  if (report.kind === 'applied') {
    log.info('applied', { version: report.version })
    for (const warning of report.warnings) log.info('warning', { message: describeProblem(warning) })
  } else if (report.kind === 'recovered') log.info('recovered', { source: report.source })
  else if (report.kind === 'stale') log.error('stale', report.error, { source: report.source })
  else log.error('refused', toSdError(report.error, 'SD_INVALID', 'The document'))
}
