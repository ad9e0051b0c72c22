import { checkFunction, checkObject } from '@sd/core'
import type { MetricSample, MetricSource } from './metric-source.ts'

/** The part of a `prom-client` registry that is used. */
export interface PrometheusRegistry {
  /** Returns the metrics with their values. */
  getMetricsAsJSON(): Promise<
    readonly {
      readonly name: string
      readonly values?: readonly {
        readonly value: number
        readonly metricName?: string
        readonly labels: Readonly<Record<string, string | number | undefined>>
      }[]
    }[]
  >
}

/** Creates a source that reads a `prom-client` registry of this process. @throws SdError `SD_INVALID` */
export function createPrometheusSource(registry: PrometheusRegistry): MetricSource {
  checkFunction(
    'registry.getMetricsAsJSON',
    (checkObject('registry', registry) as unknown as PrometheusRegistry).getMetricsAsJSON,
  )
  return async () => {
    const samples: MetricSample[] = []
    for (const { name, values = [] } of await registry.getMetricsAsJSON()) {
      for (const { value, metricName = name, labels } of values) samples.push({ name: metricName, labels: toText(labels), value })
    }
    return samples
  }
}

function toText(labels: Readonly<Record<string, string | number | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(labels)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => [name, String(value)]),
  )
}
