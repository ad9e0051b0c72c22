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

/** An OpenTelemetry Collector that stores what it receives. */
export interface OtelCollector extends TestServer {
  /** URL for exporting spans, by OTLP over HTTP. */
  readonly tracesUrl: string
  /** Returns all spans received so far. */
  spans(): Promise<readonly ReceivedSpan[]>
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
      await writeFile(join(folder, 'config.yaml'), configuration(port, join(folder, 'traces.ndjson')))
    },
    args: (folder) => ['--config', join(folder, 'config.yaml')],
    probe: () => probePort(port),
  })
  return {
    ...server,
    tracesUrl: `http://127.0.0.1:${port}/v1/traces`,
    async spans() {
      const lines = (await readFile(join(server.folder, 'traces.ndjson'), 'utf8')).split('\n')
      // The last line may not be complete yet.
      return lines.slice(0, -1).flatMap((line) => readSpans(JSON.parse(line) as OtlpTraces))
    },
  }
}

/** JSON is also YAML. */
function configuration(port: number, path: string): string {
  return JSON.stringify({
    receivers: { otlp: { protocols: { http: { endpoint: `127.0.0.1:${port}` } } } },
    exporters: { file: { path, flush_interval: '100ms' } },
    service: {
      telemetry: { metrics: { level: 'none' } },
      pipelines: { traces: { receivers: ['otlp'], exporters: ['file'] } },
    },
  })
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
        attributes: Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]])),
        events: events.map((event) => event.name),
        statusCode: status.code ?? 0,
      })),
    )
}
