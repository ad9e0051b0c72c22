import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { libraryPath } from './library-path.ts'
import { freePort } from './network.ts'
import type { ServerSource } from './sources.ts'
import { launch, type TestServer } from './test-server.ts'

/** Options of {@link startPrometheus}. */
export interface PrometheusOptions {
  /** Port on 127.0.0.1 whose `/metrics` is scraped. */
  readonly targetPort: number
  /** Time between scrapes, in milliseconds. @default 500 */
  readonly scrapeIntervalMs?: number
  /** Path of files with rules, possibly with `*`; it does not start if they are not valid. @default none */
  readonly rules?: string
}

/** One sample of a query result. */
export interface PrometheusSample {
  /** Labels; the name is `__name__`. */
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

/** A rule that Prometheus evaluates. */
export interface PrometheusRule {
  readonly name: string
  /** `unknown` before the first evaluation, `err` if it failed. */
  readonly health: 'unknown' | 'ok' | 'err'
  /** Why its last evaluation failed. */
  readonly lastError?: string
}

/** A Prometheus that scrapes one target. */
export interface PrometheusServer extends TestServer {
  /** Port of its HTTP API on 127.0.0.1. */
  readonly port: number
  /** Runs an instant query. @throws Error with the server's message, for example about a mistake in the expression */
  query(expression: string): Promise<readonly PrometheusSample[]>
  /** Returns the recent exemplars of the series that an expression selects. */
  queryExemplars(expression: string): Promise<readonly PrometheusSample[]>
  /** Returns its rules, of all files. */
  rules(): Promise<readonly PrometheusRule[]>
}

/** Starts Prometheus, with storage of exemplars. */
export async function startPrometheus(source: ServerSource, options: PrometheusOptions): Promise<PrometheusServer> {
  if (source.kind === 'address') throw new Error('the test must own this Prometheus, because it configures the target')
  const port = await freePort()
  const origin = `http://127.0.0.1:${port}`
  const server = await launch({
    name: 'prometheus',
    source,
    env: libraryPath(source),
    prepare: (folder) => writeFile(join(folder, 'prometheus.yml'), configuration(options)),
    args: (folder) => [
      `--config.file=${join(folder, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--enable-feature=exemplar-storage',
      '--log.level=warn',
    ],
    async probe() {
      const { status } = await fetch(`${origin}/-/ready`, { signal: AbortSignal.timeout(2_000) })
      if (status !== 200) throw new Error(`/-/ready responds with ${status}`)
    },
  })
  return {
    ...server,
    port,
    async query(expression) {
      const { result } = await ask<QueryData>(`${origin}/api/v1/query`, { query: expression })
      return result.map(({ metric, value }) => ({ labels: metric, value: Number(value[1]) }))
    },
    async queryExemplars(expression) {
      const now = Date.now() / 1_000
      const range = { start: String(now - 300), end: String(now + 60) }
      const found = await ask<readonly ExemplarData[]>(`${origin}/api/v1/query_exemplars`, { query: expression, ...range })
      return found.flatMap(({ exemplars }) => exemplars.map(({ labels, value }) => ({ labels, value: Number(value) })))
    },
    async rules() {
      const { groups } = await ask<RulesData>(`${origin}/api/v1/rules`)
      return groups.flatMap(({ rules }) => rules)
    },
  }
}

function configuration({ targetPort, scrapeIntervalMs = 500, rules }: PrometheusOptions): string {
  return `${
    rules === undefined
      ? ''
      : `
rule_files: [${JSON.stringify(rules)}]`
  }
global:
  scrape_interval: ${scrapeIntervalMs}ms
  scrape_timeout: ${scrapeIntervalMs}ms
  evaluation_interval: ${scrapeIntervalMs}ms
scrape_configs:
  - job_name: test
    static_configs:
      - targets: ['127.0.0.1:${targetPort}']
`
}

interface QueryData {
  readonly result: readonly { readonly metric: Record<string, string>; readonly value: readonly [number, string] }[]
}

interface RulesData {
  readonly groups: readonly { readonly rules: readonly PrometheusRule[] }[]
}

interface ExemplarData {
  readonly exemplars: readonly { readonly labels: Record<string, string>; readonly value: string }[]
}

/** Sends a request to the HTTP API. The response to an invalid query has the same shape and an error status. */
async function ask<T>(url: string, parameters?: Readonly<Record<string, string>>): Promise<T> {
  const response = await fetch(url, {
    ...(parameters && { method: 'POST', body: new URLSearchParams(parameters) }),
    signal: AbortSignal.timeout(5_000),
  })
  const result = (await response.json()) as { readonly data: T; readonly error?: string }
  if (!response.ok) throw new Error(`${JSON.stringify(parameters)}: ${result.error}`)
  return result.data
}
