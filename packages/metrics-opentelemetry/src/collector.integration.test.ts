import { OTLPMetricExporter } from '@opentelemetry/exporter-metrics-otlp-proto'
import { PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics'
import { metricTable, prometheusNameOf } from '@sd/metrics-kit'
import { obtainServer, type ReceivedMetric, startOtelCollector } from '@sd/test-servers'
import { eventually, publishEverything } from '@sd/testing'
import { describe, expect, test } from 'vitest'
import { startMeasured } from './testing/measured.ts'
import { measureWithPrometheus, type Samples, sampleKey } from './testing/prometheus-samples.ts'

const source = await obtainServer('otelcol', { own: true })

describe.runIf(source)('an OpenTelemetry Collector', () => {
  test('receives by OTLP the series and values of @sd/metrics-prometheus, under names that become the same', async () => {
    if (!source) return
    await using collector = await startOtelCollector(source)
    const exporter = new OTLPMetricExporter({ url: collector.metricsUrl })
    const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 })
    const expected = await measureWithPrometheus({}, publishEverything)
    await using measured = startMeasured({}, reader)
    const end = publishEverything()
    await reader.forceFlush()
    end()
    measured.close()
    const received = await eventually(async () => {
      const metrics = await collector.metrics()
      expect(metrics.length).toBe(metricTable.length - 1)
      return metrics
    }, 10_000)
    expect(received.map(({ scope }) => scope)).toEqual(received.map(() => '@sd/metrics-opentelemetry'))
    const samples = translate(received)
    // How long the locks of the example are held differs.
    const exact = (all: Samples): object => Object.fromEntries([...all].filter(([key]) => !/lock_hold_.*_sum/.test(key)).sort())
    expect(exact(samples)).toEqual(exact(expected))
  })
})

/** The samples that Prometheus has of received metrics. The rule for names is compared with Prometheus' own in the kit. */
function translate(metrics: readonly ReceivedMetric[]): Samples {
  const samples = new Map<string, number>()
  for (const { name, unit, kind, points } of metrics) {
    const base = prometheusNameOf({ name, unit, kind: kind === 'up-down-counter' ? 'gauge' : kind })
    for (const { attributes, value, buckets } of points) {
      samples.set(sampleKey(buckets ? `${base}_sum` : base, attributes), value)
      if (!buckets) continue
      let count = 0
      for (const [index, le] of [...buckets.bounds, '+Inf'].entries()) {
        count += buckets.counts[index] as number
        samples.set(sampleKey(`${base}_bucket`, { ...attributes, le }), count)
      }
      samples.set(sampleKey(`${base}_count`, attributes), count)
    }
  }
  return samples
}
