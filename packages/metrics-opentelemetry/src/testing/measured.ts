import { DataPointType, MeterProvider, MetricReader, type ResourceMetrics } from '@opentelemetry/sdk-metrics'
import { createOpenTelemetryMetrics, type OpenTelemetryMetricsOptions } from '../index.ts'
import { type Samples, sampleKey } from './prometheus-samples.ts'

/** A reader that collects when it is asked to. */
export class ManualReader extends MetricReader {
  protected override onShutdown(): Promise<void> {
    return Promise.resolve()
  }

  protected override onForceFlush(): Promise<void> {
    return Promise.resolve()
  }
}

/** Metrics with an SDK. */
export interface Measured extends AsyncDisposable {
  /** Collects, with the names of instruments. A histogram has its count, and its sum under `<name>.sum`. */
  collect(): Promise<Samples>
  /** Collects what the SDK has. */
  collectAll(): Promise<ResourceMetrics>
  close(): void
}

/** Starts metrics with an SDK whose reader is `reader`. */
export function startMeasured(options: OpenTelemetryMetricsOptions = {}, reader: MetricReader = new ManualReader()): Measured {
  const meterProvider = new MeterProvider({ readers: [reader] })
  const metrics = createOpenTelemetryMetrics({ meterProvider, ...options })
  const collectAll = async (): Promise<ResourceMetrics> => (await reader.collect()).resourceMetrics
  return {
    collectAll,
    async collect() {
      const samples = new Map<string, number>()
      const { scopeMetrics } = await collectAll()
      for (const { descriptor, dataPointType, dataPoints } of scopeMetrics.flatMap((scope) => scope.metrics)) {
        for (const { attributes, value } of dataPoints) {
          if (typeof value === 'number') samples.set(sampleKey(descriptor.name, attributes), value)
          else if (dataPointType === DataPointType.HISTOGRAM) {
            samples.set(sampleKey(descriptor.name, attributes), value.count)
            samples.set(sampleKey(`${descriptor.name}.sum`, attributes), (value as { readonly sum?: number }).sum ?? 0)
          }
        }
      }
      return samples
    },
    close: metrics.close,
    async [Symbol.asyncDispose]() {
      metrics.close()
      await meterProvider.shutdown()
    },
  }
}
