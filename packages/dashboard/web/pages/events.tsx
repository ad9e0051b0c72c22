import type { FleetChange, FleetModel } from '@sd/fleet'
import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import { matches } from '../data/filter.ts'
import { parameter, setParameters } from '../data/route.ts'
import { pageOf } from '../data/select.ts'
import { Age, Clock, Empty, Status, Text, Title } from '../parts/basics.tsx'
import { Filter, Table } from '../parts/table.tsx'

/** What happened at 11:40? */
export function Events({ model }: { readonly model: FleetModel }): JSX.Element {
  const [paused, setPaused] = useState<readonly FleetChange[]>()
  const filter = parameter('q')
  const until = Number(parameter('until')) || Number.POSITIVE_INFINITY
  const changes = paused ?? model.changes
  const rows = changes.filter(
    ({ at, kind, text, severity, by, about }) =>
      at <= until &&
      matches(filter, { text: [text, kind], kind, severity, by, service: about.service, instance: about.instanceId }),
  )
  return (
    <>
      <Title
        aside={
          <button type="button" aria-pressed={paused !== undefined} onClick={() => setPaused(paused ? undefined : model.changes)}>
            {paused ? 'Continue' : 'Pause'}
          </button>
        }
      >
        Events
      </Title>
      <Filter label="Filter events" hint="text  kind:  severity:  service:  by:" shown={rows.length} all={changes.length} />
      {Number.isFinite(until) && (
        <p class="banner">
          Until <Clock at={until} />.{' '}
          <button type="button" onClick={() => setParameters({ until: '' })}>
            Show later ones
          </button>
        </p>
      )}
      <Table
        name="Events"
        rows={rows}
        keyOf={({ id }) => id}
        columns={[
          {
            name: 'When',
            cell: ({ at }) => (
              <button type="button" class="sort" title="Link to this time" onClick={() => setParameters({ until: String(at) })}>
                <Clock at={at} />
              </button>
            ),
            sort: ({ at }) => at,
          },
          { name: 'Ago', cell: ({ at }) => <Age since={at} /> },
          {
            name: 'Kind',
            cell: ({ kind, severity }) => (
              <Status level={severity}>
                <Text of={kind} longest={40} />
              </Status>
            ),
            sort: ({ kind }) => kind,
          },
          {
            name: 'What',
            cell: ({ text, about }) => (
              <a href={pageOf(about)}>
                <Text of={text} />
              </a>
            ),
          },
          { name: 'By', cell: ({ by }) => <Text of={by ?? '–'} longest={60} />, sort: ({ by = '' }) => by },
        ]}
        empty={
          <Empty>
            {changes.length === 0
              ? 'Nothing changed in the last five minutes. Calls are not listed here, only changes of state.'
              : 'No event matches this filter.'}
          </Empty>
        }
      />
    </>
  )
}
