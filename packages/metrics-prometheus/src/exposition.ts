import { type Metric, Registry } from 'prom-client'
import type { MetricRegister } from './metric-set.ts'

/** Metrics as they go over the wire. */
export interface Exposition {
  /** Their format, for the header `content-type`. */
  readonly contentType: string
  /** All metrics of the register. */
  readonly text: string
}

/**
 * Writes the metrics of a register in one of its two formats, whatever the register's own. What prom-client changes on the way, it changes
 * on derived objects: by itself it would rename the counters of the register for good, and a second scraper would get the wrong format.
 */
export async function writeMetrics(register: MetricRegister, isOpenMetrics: boolean): Promise<Exposition> {
  const contentType = isOpenMetrics ? Registry.OPENMETRICS_CONTENT_TYPE : Registry.PROMETHEUS_CONTENT_TYPE
  const view = Object.create(register, {
    contentType: { value: contentType },
    getMetricsAsArray: { value: () => register.getMetricsAsArray().map((metric) => Object.create(metric) as Metric) },
  }) as Registry
  return { contentType, text: await view.metrics() }
}

/** Whether a client likes OpenMetrics at least as well as the text format, by its header `accept` (RFC 9110, section 12.5.1). */
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
