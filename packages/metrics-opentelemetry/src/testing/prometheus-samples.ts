import { createMetrics, type MetricsOptions } from '@sd/metrics-prometheus'

/** Samples by name and sorted labels, as in `sd_calls_total{method="GET",service="orders"}`. */
export type Samples = ReadonlyMap<string, number>

/** Key of a sample. */
export function sampleKey(name: string, labels: Readonly<Record<string, unknown>>): string {
  const sorted = Object.keys(labels).sort()
  return `${name}{${sorted.map((label) => `${label}=${JSON.stringify(String(labels[label]))}`).join()}}`
}

/** Reads a page in the text format, without labels whose name begins with `otel_`. */
export function readPage(text: string): Samples {
  const samples = new Map<string, number>()
  for (const line of text.split('\n')) {
    const [, name = '', list = '', value = ''] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? []
    if (name === '' || name === 'target_info') continue
    const labels = [...list.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, label = '', text = '']) => [label, text])
    const own = Object.fromEntries(labels.filter(([label]) => !label?.startsWith('otel_')))
    samples.set(sampleKey(name, own), Number(value))
  }
  return samples
}

/** What `@sd/metrics-prometheus` measures while a function publishes events. */
export async function measureWithPrometheus(options: MetricsOptions, publish: () => () => void): Promise<Samples> {
  const metrics = createMetrics(options)
  const end = publish()
  try {
    return readPage(await metrics.register.metrics())
  } finally {
    end()
    metrics.close()
  }
}
