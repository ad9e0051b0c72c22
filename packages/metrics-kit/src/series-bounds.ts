import { BoundedMap } from '@sd/core'
import { createLabelSets, type LabelSet, type LabelSets } from './label-sets.ts'
import { type MetricDefinition, prometheusNameOf } from './metric-definition.ts'
import type { MetricSink } from './metric-sink.ts'
import { definitionOf } from './metric-table.ts'
import type { RecorderOptions } from './options.ts'

/** A series of a service that was never reached can be removed after this time, in milliseconds. */
const unknownIdleMs = 10_000
/** Maximum number of services remembered as reached. */
const maxServices = 10_000

/** What the tables of all metrics share: their limits, the clock, and the services that were reached. */
export class SeriesBounds {
  readonly #limits: Pick<RecorderOptions, 'maxSeries' | 'idleMs'>
  readonly #reached: BoundedMap<string, true>
  /** Observations beyond the limit, by metric. */
  readonly #overflow = new Map<string, { readonly labels: LabelSet['labels']; value: number }>()
  /** Time of the event or reading in progress, by `performance.now()`. */
  now: number = performance.now()

  constructor(sink: MetricSink, limits: Pick<RecorderOptions, 'maxSeries' | 'idleMs'>) {
    this.#limits = limits
    const { idleMs } = limits
    this.#reached = new BoundedMap({ maxEntries: maxServices, ...(idleMs !== undefined && { idleMs }) })
    sink.counter(definitionOf('counter', 'metrics.overflow'), () => this.#overflow.values())
  }

  /** Reads the clock. */
  noteTime(): void {
    this.now = performance.now()
  }

  /** Notes that an instance of a service was called. */
  noteService(service: string): void {
    if (!this.#reached.get(service)) this.#reached.set(service, true)
  }

  /** Creates the table of a metric. @param leave removes a series @returns whether it may be removed */
  createTable<Series extends LabelSet>(
    definition: MetricDefinition,
    { create, leave }: { create(labels: LabelSet['labels']): Series; leave(series: Series): boolean },
  ): LabelSets<Series> {
    const metric = prometheusNameOf(definition)
    const isOfService = definition.labels[0] === 'service'
    return createLabelSets(definition.labels, {
      maxSeries: this.#limits.maxSeries,
      onOverflow: () => this.#countOverflow(metric),
      create,
      leave,
      idleMs: ({ service }) => this.#idleMsOf(isOfService, service),
      now: () => this.now,
    })
  }

  #countOverflow(metric: string): void {
    const series = this.#overflow.get(metric)
    if (series) series.value++
    else this.#overflow.set(metric, { labels: { metric }, value: 1 })
  }

  #idleMsOf(isOfService: boolean, service: unknown): number {
    const { idleMs } = this.#limits
    if (idleMs === undefined) return Number.POSITIVE_INFINITY
    return isOfService && this.#reached.get(String(service)) === undefined ? Math.min(unknownIdleMs, idleMs) : idleMs
  }
}
