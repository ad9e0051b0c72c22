import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { freePort, probePort } from './network.ts'
import type { ServerSource } from './sources.ts'
import { launch, type TestServer } from './test-server.ts'

/** An attribute in OTLP's JSON format. */
interface OtlpAttribute {
  readonly key: string
  readonly value: { readonly stringValue?: string; readonly boolValue?: boolean; readonly intValue?: string }
}

interface OtlpSpan {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly name: string
  readonly kind: number
  readonly attributes?: readonly OtlpAttribute[]
  readonly events?: readonly { readonly name: string }[]
  readonly status: { readonly code?: number }
}

interface OtlpTraces {
  readonly resourceSpans: readonly {
    readonly scopeSpans: readonly { readonly scope: { readonly name: string }; readonly spans: readonly OtlpSpan[] }[]
  }[]
}

/** A span that the collector received. */
export interface ReceivedSpan {
  /** Name of the instrumentation. */
  readonly scope: string
  /** 32 hexadecimal digits. */
  readonly traceId: string
  /** 16 hexadecimal digits. */
  readonly spanId: string
  /** Id of the parent; empty for a root. */
  readonly parentSpanId: string
  readonly name: string
  /** 1 is internal, 2 is server, 3 is client. */
  readonly kind: number
  /** Attributes; integers as strings, as in OTLP's JSON format. */
  readonly attributes: Readonly<Record<string, string | boolean | undefined>>
  /** Names of the events. */
  readonly events: readonly string[]
  /** 0 is unset, 1 is ok, 2 is an error. */
  readonly statusCode: number
}

/** A data point in OTLP's JSON format, which writes 64-bit integers as strings. */
interface OtlpPoint {
  readonly attributes?: readonly OtlpAttribute[]
  readonly asDouble?: number
  readonly asInt?: string
  readonly sum?: number
  readonly count?: string
  readonly bucketCounts?: readonly string[]
  readonly explicitBounds?: readonly number[]
}

interface OtlpMetric {
  readonly name: string
  readonly description?: string
  readonly unit?: string
  readonly sum?: { readonly dataPoints?: readonly OtlpPoint[]; readonly isMonotonic?: boolean }
  readonly gauge?: { readonly dataPoints?: readonly OtlpPoint[] }
  readonly histogram?: { readonly dataPoints?: readonly OtlpPoint[] }
}

interface OtlpMetrics {
  readonly resourceMetrics: readonly {
    readonly scopeMetrics: readonly { readonly scope: { readonly name: string }; readonly metrics: readonly OtlpMetric[] }[]
  }[]
}

/** A metric that the collector received, with the points of one export. */
export interface ReceivedMetric {
  /** Name of the instrumentation. */
  readonly scope: string
  readonly name: string
  readonly description: string
  readonly unit: string
  readonly kind: 'counter' | 'up-down-counter' | 'gauge' | 'histogram'
  readonly points: readonly ReceivedPoint[]
}

/** A series of a {@link ReceivedMetric}. */
export interface ReceivedPoint {
  readonly attributes: Readonly<Record<string, string | boolean | undefined>>
  /** The value; the sum of a histogram. */
  readonly value: number
  /** Only of a histogram. Counts are not added up; the last one is above all bounds. */
  readonly buckets?: { readonly bounds: readonly number[]; readonly counts: readonly number[] }
}

/** An OpenTelemetry Collector that stores what it receives. */
export interface OtelCollector extends TestServer {
  /** URL for exporting spans, by OTLP over HTTP. */
  readonly tracesUrl: string
  /** Returns all spans received so far. */
  spans(): Promise<readonly ReceivedSpan[]>
  /** URL for exporting metrics, by OTLP over HTTP. */
  readonly metricsUrl: string
  /** Returns the metrics of the last export; empty before the first. */
  metrics(): Promise<readonly ReceivedMetric[]>
}

/** Starts the OpenTelemetry Collector with an OTLP receiver. */
export async function startOtelCollector(source: ServerSource): Promise<OtelCollector> {
  if (source.kind === 'address')
    throw new Error('The test must own the collector, because it reads the file that the collector writes')
  const port = await freePort()
  const server = await launch({
    name: 'otelcol',
    source,
    async prepare(folder) {
      await writeFile(join(folder, 'config.yaml'), configuration(port, folder))
    },
    args: (folder) => ['--config', join(folder, 'config.yaml')],
    probe: () => probePort(port),
  })
  return {
    ...server,
    tracesUrl: `http://127.0.0.1:${port}/v1/traces`,
    metricsUrl: `http://127.0.0.1:${port}/v1/metrics`,
    async spans() {
      const lines = await readLines(join(server.folder, 'traces.ndjson'))
      return lines.flatMap((line) => readSpans(JSON.parse(line) as OtlpTraces))
    },
    async metrics() {
      const last = (await readLines(join(server.folder, 'metrics.ndjson'))).at(-1)
      return last === undefined ? [] : readMetrics(JSON.parse(last) as OtlpMetrics)
    },
  }
}

/** JSON is also YAML. */
function configuration(port: number, folder: string): string {
  const exporter = (name: string): object => ({ path: join(folder, `${name}.ndjson`), flush_interval: '100ms' })
  return JSON.stringify({
    receivers: { otlp: { protocols: { http: { endpoint: `127.0.0.1:${port}` } } } },
    exporters: { 'file/traces': exporter('traces'), 'file/metrics': exporter('metrics') },
    service: {
      telemetry: { metrics: { level: 'none' } },
      pipelines: {
        traces: { receivers: ['otlp'], exporters: ['file/traces'] },
        metrics: { receivers: ['otlp'], exporters: ['file/metrics'] },
      },
    },
  })
}

/** Reads whole lines: the last one may not be complete yet. */
async function readLines(path: string): Promise<readonly string[]> {
  return (await readFile(path, 'utf8')).split('\n').slice(0, -1)
}

function readAttributes(attributes: readonly OtlpAttribute[] = []): ReceivedPoint['attributes'] {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]))
}

function readMetrics({ resourceMetrics }: OtlpMetrics): readonly ReceivedMetric[] {
  return resourceMetrics
    .flatMap(({ scopeMetrics }) => scopeMetrics)
    .flatMap(({ scope, metrics }) =>
      metrics.map(({ name, description = '', unit = '', sum, gauge, histogram }) => ({
        scope: scope.name,
        name,
        description,
        unit,
        kind: histogram ? 'histogram' : gauge ? 'gauge' : sum?.isMonotonic ? 'counter' : 'up-down-counter',
        points: ((sum ?? gauge ?? histogram)?.dataPoints ?? []).map(readPoint),
      })),
    )
}

function readPoint({ attributes, asDouble, asInt, sum, bucketCounts, explicitBounds = [] }: OtlpPoint): ReceivedPoint {
  const value = asDouble ?? (asInt === undefined ? (sum ?? 0) : Number(asInt))
  const buckets = bucketCounts && { bounds: explicitBounds, counts: bucketCounts.map(Number) }
  return { attributes: readAttributes(attributes), value, ...(buckets && { buckets }) }
}

function readSpans({ resourceSpans }: OtlpTraces): readonly ReceivedSpan[] {
  return resourceSpans
    .flatMap(({ scopeSpans }) => scopeSpans)
    .flatMap(({ scope, spans }) =>
      spans.map(({ traceId, spanId, parentSpanId = '', name, kind, attributes = [], events = [], status }) => ({
        scope: scope.name,
        traceId,
        spanId,
        parentSpanId,
        name,
        kind,
        attributes: readAttributes(attributes),
        events: events.map((event) => event.name),
        statusCode: status.code ?? 0,
      })),
    )
}
