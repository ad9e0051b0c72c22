import type { MetricSample } from './metric-source.ts'

/** The readable samples of a source. */
export interface ReadSamples {
  /** Copies of the samples; labels are strings. */
  readonly samples: readonly MetricSample[]
  /** Number of malformed samples, which are omitted. */
  readonly unreadable: number
}

/** Reads the samples of a source. A malformed sample, of any type, does not affect the others. */
export function readSamples(given: Iterable<unknown>): ReadSamples {
  const samples: MetricSample[] = []
  let unreadable = 0
  for (const sample of given) {
    const read = readSample(sample)
    if (read) samples.push(read)
    else unreadable++
  }
  return { samples, unreadable }
}

function readSample(sample: unknown): MetricSample | undefined {
  try {
    const { name, labels, value } = sample as MetricSample
    if (typeof name !== 'string' || typeof value !== 'number') return undefined
    const texts = Object.entries(labels ?? {}).map(([label, text]) => [label, String(text)])
    return { name, labels: Object.fromEntries(texts) as Record<string, string>, value }
  } catch {
    return undefined
  }
}
