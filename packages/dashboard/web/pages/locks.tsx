import type { FleetModel } from '@sd/fleet'
import type { JSX } from 'preact'
import { to } from '../data/route.ts'
import { Age, Empty, Text, Title } from '../parts/basics.tsx'
import { Table } from '../parts/table.tsx'

/** Who leads? */
export function Locks({ model }: { readonly model: FleetModel }): JSX.Element {
  const rows = model.processes.flatMap((process) => process.locks.map((lock) => ({ process, lock })))
  return (
    <>
      <Title>Locks</Title>
      <p class="muted">Locks that a process with an admin endpoint holds. A lock whose holder has none is not listed.</p>
      <Table
        name="Locks"
        rows={rows}
        keyOf={({ process, lock }) => `${process.processId} ${lock.lock} ${lock.key}`}
        columns={[
          { name: 'Key', cell: ({ lock }) => <Text of={lock.key} longest={120} />, sort: ({ lock }) => lock.key },
          {
            name: 'Holder',
            cell: ({ process: { processId, name } }) => (
              <a href={to('processes', processId)}>
                <Text of={name} longest={60} />
              </a>
            ),
            sort: ({ process }) => process.name,
          },
          { name: 'Value', cell: ({ lock }) => <Text of={lock.value} longest={80} /> },
          { name: 'Fencing', cell: ({ lock }) => <Text of={lock.token} longest={40} /> },
          { name: 'Since', cell: ({ lock }) => <Age since={lock.since} />, sort: ({ lock }) => lock.since },
          { name: 'Lock', cell: ({ lock }) => <Text of={lock.lock} longest={60} />, sort: ({ lock }) => lock.lock },
        ]}
        empty={<Empty code={example}>No lock is held. A process becomes the leader with a lock of Consul or etcd:</Empty>}
      />
    </>
  )
}

const example = `import { createEtcdLock } from '@sd/lock-etcd'

const lock = createEtcdLock({ servers: ['127.0.0.1:2379'] })
const handle = await lock.acquire('nightly', { value: 'reports-1' })`
