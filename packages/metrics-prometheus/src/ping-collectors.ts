import { checkFunction, checkKnownKeys, checkName, checkObject } from '@sd/core'
import type { CollectOptions, Collector } from './collector.ts'
import type { MetricSet } from './metric-set.ts'

/** Options of {@link createServiceCollector}. */
export interface ServiceCollectorOptions {
  /** Name of the pinged service or database, used as the label. */
  readonly name: string
  /** Pings it, such as `(options) => registry.ping(options)`. Rejects if it does not respond. */
  readonly ping: (options: CollectOptions) => Promise<unknown>
  /** Time between two pings in milliseconds. @default 15_000 */
  readonly intervalMs?: number
  /** Limit of one ping in milliseconds. @default 5_000 */
  readonly timeoutMs?: number
}

/** State of a connection pool. */
export interface PoolState {
  /** Total number of connections. */
  readonly size: number
  /** Number of unused connections. */
  readonly idle: number
  /** Number of requests waiting for a connection. */
  readonly waiting: number
}

/** Options of {@link createDatabaseCollector}. */
export interface DatabaseCollectorOptions extends ServiceCollectorOptions {
  /** Returns the state of the pool. @default no pool metrics */
  readonly pool?: () => PoolState
}

const keys = ['name', 'ping', 'intervalMs', 'timeoutMs']

/** Measures whether a registry or service responds, and how fast. @throws SdError `SD_INVALID` that names the option */
export function createServiceCollector(options: ServiceCollectorOptions): Collector {
  checkKnownKeys('', checkObject('options', options), keys)
  return createPingCollector('service', options, (metrics, { signal }) => ping(metrics, 'service', options, signal))
}

/**
 * Measures whether a database responds, how fast, and the state of its pool. The pool state does not wait for the ping, which
 * may have to wait for a connection.
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

/** Pings once. A target that does not respond is down, but the run does not fail. If the ping hangs, the target is down when the signal aborts. */
async function ping(
  metrics: MetricSet,
  kind: 'service' | 'database',
  { name, ping: pingOnce }: ServiceCollectorOptions,
  signal: AbortSignal,
): Promise<void> {
  const labels = { [kind]: name }
  const up = metrics.gauge({ name: `${kind}_up`, help: '1 if the last ping succeeded, otherwise 0.', labelNames: [kind] })
  const duration = metrics.gauge({
    name: `${kind}_ping_duration_seconds`,
    help: 'Duration of the last successful ping.',
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
    help: 'Connections of the pool, by state: idle or active.',
    labelNames: ['database', 'state'],
  })
  connections.set({ database, state: 'idle' }, idle)
  connections.set({ database, state: 'active' }, size - idle)
  metrics
    .gauge({ name: 'database_pool_waiting', help: 'Requests waiting for a connection from the pool.', labelNames: ['database'] })
    .set({ database }, waiting)
}
