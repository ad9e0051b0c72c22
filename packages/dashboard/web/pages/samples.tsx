import type { SamplesReport } from '@sd/admin'
import type { JSX } from 'preact'
import type { HistoryRef } from '../../src/protocol.ts'
import { bytes, clean, latency, percent, rate } from '../data/format.ts'
import { Empty } from '../parts/basics.tsx'
import { Spark } from '../parts/charts.tsx'
import { useResource } from '../parts/resource.ts'

/** Charts drawn at once. */
const mostCharts = 24

/** Five minutes of something, as small charts with their last value. */
export function Samples({ of }: { readonly of: HistoryRef }): JSX.Element {
  const { answer, problem } = useResource<SamplesReport>('history', of as Record<string, string>, 10_000)
  const series = answer?.series ?? []
  if (series.length === 0) return <Empty>{problem ?? 'There are no samples yet.'}</Empty>
  return (
    <ul class="charts" aria-label="The last five minutes">
      {series.slice(0, mostCharts).map(({ name, service, values }) => {
        const last = values.findLast((value) => value !== null)
        const title = service === undefined ? clean(name) : `${clean(name)} ${clean(service, 60)}`
        return (
          <li key={title}>
            <span>{title}</span>
            <Spark values={values} label={`${title} over five minutes`} />
            <b>{last == null ? '–' : format(name, last)}</b>
          </li>
        )
      })}
    </ul>
  )
}

function format(name: string, value: number): string {
  if (/bytes$/i.test(name)) return bytes(value)
  if (/ms$/i.test(name)) return latency(value)
  return name === 'cpu' || /share$/i.test(name) ? percent(value) : rate(value)
}
