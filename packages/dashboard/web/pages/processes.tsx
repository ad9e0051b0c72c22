import type { FleetModel, FleetProcess } from '@sd/fleet'
import type { JSX } from 'preact'
import { matches } from '../data/filter.ts'
import { bytes, latency, percent, span } from '../data/format.ts'
import { parameter, to } from '../data/route.ts'
import { Age, Empty, type Level, Section, Status, Text, Title } from '../parts/basics.tsx'
import { Bar } from '../parts/charts.tsx'
import { type Column, Filter, Table } from '../parts/table.tsx'
import { setUp } from './overview.tsx'

const levels: Readonly<Record<FleetProcess['state'], Level>> = { answers: 'good', silent: 'critical', refuses: 'warning' }
const words: Readonly<Record<FleetProcess['state'], string>> = {
  answers: 'answers',
  silent: 'does not answer',
  refuses: 'refuses the token',
}

/** Whether a process answers. */
export function ProcessState({ process }: { readonly process: FleetProcess }): JSX.Element {
  return <Status level={levels[process.state] ?? 'unknown'}>{words[process.state] ?? process.state}</Status>
}

const nameColumn: Column<FleetProcess> = {
  name: 'Process',
  cell: ({ processId, name }) => (
    <a href={to('processes', processId)}>
      <Text of={name} longest={60} />
    </a>
  ),
  sort: ({ name }) => name,
}

function chosen({ processes }: FleetModel): readonly FleetProcess[] {
  const filter = parameter('q')
  return processes.filter((process) =>
    matches(filter, {
      text: [process.name, process.address, process.processId, ...process.services.map(({ service }) => service)],
      name: process.name,
      service: process.services.map(({ service }) => service),
      node: process.node,
      silent: process.state !== 'answers',
      answers: process.state === 'answers',
    }),
  )
}

/** Which processes are there, and do they answer? */
export function Processes({ model }: { readonly model: FleetModel }): JSX.Element {
  const rows = chosen(model)
  return (
    <>
      <Title aside={<a href={to('performance')}>Performance</a>}>Processes</Title>
      <Filter label="Filter processes" hint="name  service:  node:  silent" shown={rows.length} all={model.processes.length} />
      <Table
        name="Processes"
        rows={rows}
        keyOf={({ processId }) => processId}
        columns={[
          nameColumn,
          { name: 'State', cell: (process) => <ProcessState process={process} />, sort: ({ state }) => state },
          { name: 'For', cell: ({ since }) => <Age since={since} />, sort: ({ since }) => -since },
          { name: 'Asked at', cell: ({ address }) => <Text of={address} longest={80} />, sort: ({ address }) => address },
          {
            name: 'Started',
            cell: ({ startedAt }) => <Age since={startedAt} prefix="" />,
            sort: ({ startedAt = 0 }) => startedAt,
          },
          { name: 'Node', cell: ({ node }) => <Text of={node ?? '–'} longest={20} />, sort: ({ node = '' }) => node },
          {
            name: 'Answer',
            cell: ({ lastError, state }) =>
              state === 'answers' ? <span class="muted">–</span> : <Text of={lastError?.message ?? 'no reason given'} />,
          },
        ]}
        empty={
          model.processes.length === 0 ? (
            <Empty code={setUp}>
              No process has an admin endpoint. With one, its calls, breakers and configuration are shown:
            </Empty>
          ) : (
            <Empty>No process matches this filter.</Empty>
          )
        }
      />
    </>
  )
}

/** CPU, memory, event loop and databases of all processes. */
export function Performance({ model }: { readonly model: FleetModel }): JSX.Element {
  const rows = chosen(model).filter(({ system }) => system)
  const databases = rows.flatMap((process) => (process.system?.databases ?? []).map((database) => ({ process, database })))
  const largest = Math.max(...rows.map(({ system }) => system?.residentBytes ?? 0), 1)
  return (
    <>
      <Title aside={<a href={to('processes')}>Processes</a>}>Performance</Title>
      <Filter label="Filter processes" hint="name  service:" shown={rows.length} all={model.processes.length} />
      <Table
        name="Performance"
        rows={rows}
        keyOf={({ processId }) => processId}
        columns={performanceColumns(largest)}
        empty={<Empty>No process with an admin endpoint answers, so nothing is known about CPU, memory and event loops.</Empty>}
      />
      <Section title="Databases">
        <Table
          name="Databases"
          rows={databases}
          keyOf={({ process, database }) => `${process.processId} ${database.database}`}
          columns={[
            {
              name: 'Database',
              cell: ({ database }) => <Text of={database.database} longest={60} />,
              sort: ({ database }) => database.database,
            },
            { ...nameColumn, cell: ({ process }) => nameColumn.cell(process), sort: ({ process }) => process.name },
            {
              name: 'State',
              cell: ({ database: { isUp } }) => <Status level={isUp ? 'good' : 'critical'}>{isUp ? 'up' : 'down'}</Status>,
              sort: ({ database: { isUp } }) => (isUp ? 1 : 0),
            },
            {
              name: 'Latency',
              isNumber: true,
              cell: ({ database }) => latency(database.latencyMs),
              sort: ({ database }) => database.latencyMs ?? -1,
            },
            {
              name: 'Details',
              cell: ({ database: { details = {} } }) => (
                <Text
                  of={
                    Object.entries(details)
                      .map(([name, number]) => `${name} ${number}`)
                      .join(', ') || '–'
                  }
                />
              ),
            },
          ]}
          empty={
            <Empty>
              No database is watched. Collectors of @sd/metrics-prometheus and health checks report PostgreSQL, MySQL, Redis and
              Neo4j.
            </Empty>
          }
        />
      </Section>
    </>
  )
}

function performanceColumns(largest: number): readonly Column<FleetProcess>[] {
  return [
    nameColumn,
    {
      name: 'CPU',
      isNumber: true,
      cell: ({ system }) => (
        <>
          {percent(system?.cpu ?? 0)} <Bar share={system?.cpu ?? 0} isHigh={(system?.cpu ?? 0) > 0.9} />
        </>
      ),
      sort: ({ system }) => system?.cpu ?? 0,
    },
    {
      name: 'Memory',
      isNumber: true,
      cell: ({ system }) => (
        <>
          {bytes(system?.residentBytes ?? 0)} <Bar share={(system?.residentBytes ?? 0) / largest} />
        </>
      ),
      sort: ({ system }) => system?.residentBytes ?? 0,
    },
    {
      name: 'Heap',
      isNumber: true,
      cell: ({ system }) => {
        const share = (system?.heapUsedBytes ?? 0) / Math.max(system?.heapLimitBytes ?? 1, 1)
        return (
          <>
            {bytes(system?.heapUsedBytes ?? 0)} <Bar share={share} isHigh={share > 0.85} />
          </>
        )
      },
      sort: ({ system }) => (system?.heapUsedBytes ?? 0) / Math.max(system?.heapLimitBytes ?? 1, 1),
    },
    {
      name: 'Event loop p99',
      isNumber: true,
      cell: ({ system }) =>
        (system?.loopDelayMs ?? 0) > 100 ? (
          <Status level="warning">{latency(system?.loopDelayMs)}</Status>
        ) : (
          latency(system?.loopDelayMs)
        ),
      sort: ({ system }) => system?.loopDelayMs ?? 0,
    },
    {
      name: 'Up',
      isNumber: true,
      cell: ({ system }) => span(system?.uptimeMs ?? 0),
      sort: ({ system }) => system?.uptimeMs ?? 0,
    },
  ]
}
