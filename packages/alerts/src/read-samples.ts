import type { MetricSample } from './metric-source.ts'

/** What a source gave, as far as it can be read. */
export interface ReadSamples {
  /** Copies of the samples; labels are texts. */
  readonly samples: readonly MetricSample[]
  /** Number of those that were left out, because they can't be read. */
  readonly unreadable: number
}

/** Reads what a source gave: one sample that can't be read, whatever it is, takes no rule over the others with it. */
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
