import { type HealthAnswer, withTimeout } from '@sd/core'
import type { SystemReport } from '../protocol.ts'

/** A register of prom-client. */
export interface MetricsReader {
  /** All metrics. */
  getMetricsAsArray(): readonly { readonly name: string; get?(): Promise<MetricValues> }[]
}

/** The series of a metric. */
export interface MetricValues {
  /** Value of each series. */
  readonly values: readonly { readonly value: number; readonly labels: Readonly<Record<string, string | number | undefined>> }[]
}

type Database = SystemReport['databases'][number]

const readLimitMs = 1_000
const maxDatabases = 100
/** Names of health checks that check a database. */
const databaseCheck =
  /^(?:database|db|postgres(?:ql)?|pg|mysql|mariadb|redis|valkey|neo4j|mongo(?:db)?|mssql|oracle|sqlite|cassandra|clickhouse)(?:$|[^a-z])/i

/** What the metrics of collectors and the health checks say about databases. Never rejects. */
export async function readDatabases(
  register: MetricsReader | undefined,
  health: readonly HealthAnswer[],
): Promise<readonly Database[]> {
  const measured = register ? await measure(register) : []
  const known = new Set(measured.map(({ database }) => database))
  const checked = health.flatMap(({ checks }) => checks.filter(({ check }) => databaseCheck.test(check) && !known.has(check)))
  const fromChecks = checked.map(({ check, status }) => ({ database: check, isUp: status === 'healthy' }))
  return [...measured, ...fromChecks].slice(0, maxDatabases)
}

async function measure(register: MetricsReader): Promise<readonly Database[]> {
  try {
    return await withTimeout({ timeoutMs: readLimitMs, what: 'Reading the metrics of databases' }, async () => {
      const [ups, pings, connections, waiting] = await Promise.all(
        ['database_up', 'database_ping_duration_seconds', 'database_pool_connections', 'database_pool_waiting'].map(
          async (name) => (await findMetric(register, name)?.get?.())?.values ?? [],
        ),
      )
      return (ups ?? []).map(({ labels, value }) => {
        const database = String(labels['database'])
        const ofThis = (values: MetricValues['values'] = []) => values.filter((series) => series.labels['database'] === database)
        const seconds = ofThis(pings)[0]?.value
        const details = Object.fromEntries([
          ...ofThis(connections).map((series) => [`${series.labels['state']}Connections`, series.value] as const),
          ...ofThis(waiting).map((series) => ['waitingRequests', series.value] as const),
        ])
        return {
          database,
          isUp: value === 1,
          ...(seconds !== undefined && { latencyMs: Math.round(seconds * 1e6) / 1e3 }),
          ...(Object.keys(details).length > 0 && { details }),
        }
      })
    })
  } catch {
    // Metrics of the application must not take the rest of the answer with them.
    return []
  }
}

/** Metrics have a prefix that this endpoint does not know. */
function findMetric(register: MetricsReader, name: string): ReturnType<MetricsReader['getMetricsAsArray']>[number] | undefined {
  return register.getMetricsAsArray().find((metric) => metric.name === name || metric.name.endsWith(`_${name}`))
}
