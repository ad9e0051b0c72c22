import type { SamplesReport } from '@sd/admin'
import type { JSX } from 'preact'
import type { HistoryAnswer } from '../../src/protocol.ts'
import { bytes, clean, latency, percent, rate } from '../data/format.ts'
import { Empty } from '../parts/basics.tsx'
import { Spark } from '../parts/charts.tsx'
import { useResource } from '../parts/resource.ts'

/** Charts drawn at once. */
const mostCharts = 24
const everyMs = 5_000

/** Names of the series of a process, for people. */
const names: Readonly<Record<string, string>> = {
  cpu: 'CPU',
  residentBytes: 'memory',
  heapUsedBytes: 'heap',
  loopDelayMs: 'event loop p99',
  calls: 'calls/s',
  failed: 'failed/s',
}

interface Chart {
  readonly title: string
  readonly values: readonly (number | null)[]
  readonly format: (value: number) => string
}

/** Five minutes of a process, as it recorded them. */
export function ProcessCharts({ processId }: { readonly processId: string }): JSX.Element {
  const { answer, problem } = useResource<SamplesReport>('ask', { process: processId, path: '/samples' }, everyMs)
  const charts = (answer?.series ?? []).map(({ name, service, values }) => ({
    title: [names[name] ?? clean(name), clean(service, 60)].filter(Boolean).join(' '),
    values,
    format: formatOf(name),
  }))
  return <Charts charts={charts} empty={problem ?? 'There are no samples yet.'} />
}

/** Five minutes of calls to a service, or of attempts at an instance. */
export function TrafficCharts({ service, instanceId }: { readonly service: string; readonly instanceId?: string }): JSX.Element {
  const { answer, problem } = useResource<HistoryAnswer>(
    'history',
    { service, ...(instanceId !== undefined && { instance: instanceId }) },
    everyMs,
  )
  const points = answer?.points ?? []
  const charts: readonly Chart[] =
    points.length === 0
      ? []
      : [
          { title: 'calls/s', values: points.map(({ perSecond }) => perSecond), format: rate },
          { title: 'failed', values: points.map(({ failedShare }) => failedShare), format: percent },
          { title: 'mean', values: points.map(({ meanMs }) => meanMs ?? null), format: latency },
          { title: 'p99', values: points.map(({ p99Ms }) => p99Ms ?? null), format: latency },
        ]
  return <Charts charts={charts} empty={problem ?? 'There was no call in the last five minutes.'} />
}

function Charts({ charts, empty }: { readonly charts: readonly Chart[]; readonly empty: string }): JSX.Element {
  if (charts.length === 0) return <Empty>{empty}</Empty>
  return (
    <ul class="charts" aria-label="The last five minutes">
      {charts.slice(0, mostCharts).map(({ title, values, format }) => {
        const last = values.findLast((value) => value !== null)
        return (
          <li key={title}>
            <span>{title}</span>
            <Spark values={values} label={`${title} over five minutes`} />
            <b>{last == null ? '–' : format(last)}</b>
          </li>
        )
      })}
    </ul>
  )
}

function formatOf(name: string): (value: number) => string {
  if (/bytes$/i.test(name)) return bytes
  if (/ms$/i.test(name)) return latency
  return name === 'cpu' || /share$/i.test(name) ? percent : rate
}
