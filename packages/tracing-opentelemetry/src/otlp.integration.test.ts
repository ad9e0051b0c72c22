import { SpanKind } from '@opentelemetry/api'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto'
import { BatchSpanProcessor } from '@opentelemetry/sdk-trace'
import { obtainServer, type ReceivedSpan, startOtelCollector } from '@sd/test-servers'
import { eventually } from '@sd/testing'
import { describe, expect, test } from 'vitest'
import { createWorld } from './testing/world.ts'

const source = await obtainServer('otelcol', { own: true })

describe.runIf(source)('an OpenTelemetry Collector', () => {
  test('receives the whole trace by OTLP', async () => {
    if (!source) return
    await using collector = await startOtelCollector(source)
    const exporter = new OTLPTraceExporter({ url: collector.tracesUrl })
    const processor = new BatchSpanProcessor({ exporter })
    await using world = await createWorld(
      {
        b: [async (_, response, client) => response.end(await (await client.get('c', '/leaf')).text())],
        c: [(_, response) => response.writeHead(500).end('sorry')],
      },
      { provider: { spanProcessors: [processor] } },
    )
    expect(await (await world.client.get('b', '/root')).text()).toBe('sorry')
    const made = await world.recorder.settled()
    await processor.shutdown()

    const received = await eventually(async () => {
      const spans = await collector.spans()
      expect(spans).toHaveLength(6)
      return spans
    }, 10_000)
    const byId = new Map(received.map((span) => [span.spanId, span]))
    for (const span of made) {
      const { traceId, spanId } = span.spanContext()
      const parentSpanId = span.parentSpanContext?.spanId ?? ''
      const { kind, status, name } = span
      // OTLP numbers kinds from 1.
      expect(byId.get(spanId)).toMatchObject({ traceId, parentSpanId, name, kind: kind + 1, statusCode: status.code })
    }
    const failed = received.find(({ kind, statusCode }) => kind === SpanKind.CLIENT + 1 && statusCode === 2) as ReceivedSpan
    expect(failed).toMatchObject({
      scope: '@sd/tracing-opentelemetry',
      attributes: { 'error.type': '500', 'http.response.status_code': '500', 'sd.service': 'c', 'server.address': '127.0.0.1' },
    })
  })
})
