import type { HistogramDefinition, MetricDefinition, MetricSink, Observer, SeriesValue } from '../index.ts'

/** Values of a histogram's series. */
interface MemoryObserver extends Observer {
  readonly labels: Readonly<Record<string, unknown>>
  readonly values: number[]
  exemplar: Readonly<Record<string, string>> | undefined
}

/** A sink that keeps what it gets. */
export interface MemorySink extends MetricSink {
  /** The definitions that were created, in order. */
  readonly definitions: MetricDefinition[]
  /** Reads a counter or a gauge: the values by `label=value` pairs. */
  read(name: string): Readonly<Record<string, number>>
  /** Reads a histogram: the observed values by `label=value` pairs. */
  observed(name: string): Readonly<Record<string, readonly number[]>>
  /** The last exemplar of a histogram. */
  exemplarOf(name: string): Readonly<Record<string, string>> | undefined
}

/** Creates an empty sink. */
export function createMemorySink(): MemorySink {
  const definitions: MetricDefinition[] = []
  const values = new Map<string, () => Iterable<SeriesValue>>()
  const observers = new Map<string, () => Iterable<MemoryObserver>>()
  function add(definition: MetricDefinition, read: () => Iterable<SeriesValue>): void {
    definitions.push(definition)
    values.set(definition.name, read)
  }
  const write = (labels: Readonly<Record<string, unknown>>): string =>
    Object.entries(labels)
      .map(([label, value]) => `${label}=${value}`)
      .join()
  return {
    definitions,
    counter: add,
    gauge: add,
    histogram(definition: HistogramDefinition, read) {
      definitions.push(definition)
      observers.set(definition.name, read as () => Iterable<MemoryObserver>)
      return (labels): MemoryObserver => ({
        labels,
        values: [],
        exemplar: undefined,
        record(value, exemplar) {
          this.values.push(value)
          this.exemplar = exemplar
        },
      })
    },
    read: (name) => Object.fromEntries(Array.from(values.get(name)?.() ?? [], ({ labels, value }) => [write(labels), value])),
    observed: (name) =>
      Object.fromEntries(Array.from(observers.get(name)?.() ?? [], (observer) => [write(observer.labels), observer.values])),
    exemplarOf: (name) => Array.from(observers.get(name)?.() ?? [], ({ exemplar }) => exemplar).find(Boolean),
  }
}
