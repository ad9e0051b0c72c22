import { type Metric, Registry } from 'prom-client'
import type { MetricRegister } from './metric-set.ts'

/** Metrics in a wire format. */
export interface Exposition {
  /** Value of the header `content-type`. */
  readonly contentType: string
  /** All metrics of the register. */
  readonly text: string
}

/**
 * Writes the metrics of a register in one of the two formats, regardless of the register's own format. Works on derived
 * objects: prom-client would otherwise rename the counters of the register permanently, and a second scraper would get the
 * wrong format.
 */
export async function writeMetrics(register: MetricRegister, isOpenMetrics: boolean): Promise<Exposition> {
  const contentType = isOpenMetrics ? Registry.OPENMETRICS_CONTENT_TYPE : Registry.PROMETHEUS_CONTENT_TYPE
  const view = Object.create(register, {
    contentType: { value: contentType },
    getMetricsAsArray: { value: () => register.getMetricsAsArray().map((metric) => Object.create(metric) as Metric) },
  }) as Registry
  return { contentType, text: await view.metrics() }
}

/** Whether the `accept` header ranks OpenMetrics at least as high as the text format (RFC 9110, section 12.5.1). */
export function prefersOpenMetrics(accept: string = ''): boolean {
  const qualityOf = (type: string): number => {
    const ranges = accept.split(',').map((range) =>
      range
        .toLowerCase()
        .split(';')
        .map((part) => part.trim()),
    )
    const qualities = ranges.filter(([name]) => name === type).map((parts) => readQuality(parts))
    return Math.max(0, ...qualities)
  }
  const openMetrics = qualityOf('application/openmetrics-text')
  return openMetrics > 0 && openMetrics >= qualityOf('text/plain')
}

function readQuality(parts: readonly string[]): number {
  const weight = parts.find((part) => part.startsWith('q='))
  const quality = weight === undefined ? 1 : Number(weight.slice(2))
  return Number.isFinite(quality) ? quality : 0
}
