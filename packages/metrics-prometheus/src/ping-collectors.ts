import { checkFunction, checkKnownKeys, checkName, checkObject } from '@sd/core'
import type { CollectOptions, Collector } from './collector.ts'
import type { MetricSet } from './metric-set.ts'

/** Options of {@link createServiceCollector}. */
export interface ServiceCollectorOptions {
  /** Name of what is pinged, for the label. */
  readonly name: string
  /** Asks it for a sign of life, such as `(options) => registry.ping(options)`, and rejects if there is none. */
  readonly ping: (options: CollectOptions) => Promise<unknown>
  /** Time between two pings in milliseconds. @default 15_000 */
  readonly intervalMs?: number
  /** Limit of one ping in milliseconds. @default 5_000 */
  readonly timeoutMs?: number
}

/** How many connections a pool has. */
export interface PoolState {
  /** Connections in all. */
  readonly size: number
  /** Those that nobody uses. */
  readonly idle: number
  /** Requests that wait for one. */
  readonly waiting: number
}

/** Options of {@link createDatabaseCollector}. */
export interface DatabaseCollectorOptions extends ServiceCollectorOptions {
  /** Tells how its pool is. @default no metrics of a pool */
  readonly pool?: () => PoolState
}

const keys = ['name', 'ping', 'intervalMs', 'timeoutMs']

/** Whether a registry, a service or whatever else answers, and how fast. @throws SdError `SD_INVALID` that names the option */
export function createServiceCollector(options: ServiceCollectorOptions): Collector {
  checkKnownKeys('', checkObject('options', options), keys)
  return createPingCollector('service', options, (metrics, { signal }) => ping(metrics, 'service', options, signal))
}

/**
 * Whether a database answers, how fast, and how its pool is. The pool is read before the ping, which may have to wait for a connection.
 *
 * @throws SdError `SD_INVALID` that names the option
 */
export function createDatabaseCollector(options: DatabaseCollectorOptions): Collector {
  checkKnownKeys('', checkObject('options', options), [...keys, 'pool'])
  const { name: database, pool } = options
  if (pool) checkFunction('pool', pool)
  return createPingCollector('database', options, async (metrics, { signal }) => {
    const pinged = ping(metrics, 'database', options, signal)
    if (pool) measurePool(metrics, database, pool())
    await pinged
  })
}

function createPingCollector(
  kind: string,
  { name, ping: pingOnce, intervalMs = 15_000, timeoutMs = 5_000 }: ServiceCollectorOptions,
  collect: Collector['collect'],
): Collector {
  checkName('name', name)
  checkFunction('ping', pingOnce)
  return { name: `${kind}:${name}`, intervalMs, timeoutMs, collect }
}

/** Pings once. What does not answer is down, which is no failure of the collector; what hangs is down as soon as the signal fires. */
async function ping(
  metrics: MetricSet,
  kind: 'service' | 'database',
  { name, ping: pingOnce }: ServiceCollectorOptions,
  signal: AbortSignal,
): Promise<void> {
  const labels = { [kind]: name }
  const up = metrics.gauge({ name: `${kind}_up`, help: 'Whether the last ping was answered: 1 or 0.', labelNames: [kind] })
  const duration = metrics.gauge({
    name: `${kind}_ping_duration_seconds`,
    help: 'How long the last ping took that was answered.',
    labelNames: [kind],
  })
  const startedAt = performance.now()
  const isDown = (): void => up.set(labels, 0)
  signal.addEventListener('abort', isDown, { once: true })
  try {
    await pingOnce({ signal })
    if (signal.aborted) return
    up.set(labels, 1)
    duration.set(labels, (performance.now() - startedAt) / 1_000)
  } catch {
    isDown()
  } finally {
    signal.removeEventListener('abort', isDown)
  }
}

function measurePool(metrics: MetricSet, database: string, { size, idle, waiting }: PoolState): void {
  const connections = metrics.gauge({
    name: 'database_pool_connections',
    help: 'Connections of the pool, by whether they are used.',
    labelNames: ['database', 'state'],
  })
  connections.set({ database, state: 'idle' }, idle)
  connections.set({ database, state: 'active' }, size - idle)
  metrics
    .gauge({ name: 'database_pool_waiting', help: 'Requests that wait for a connection.', labelNames: ['database'] })
    .set({ database }, waiting)
}
