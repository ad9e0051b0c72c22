import type { CallRecord, SlowReport } from '@sd/admin'
import type { FleetModel, FleetProcess } from '@sd/fleet'
import type { JSX } from 'preact'
import { bytes, count, latency, percent } from '../data/format.ts'
import { to } from '../data/route.ts'
import { changesOf, problemsOf, processOf } from '../data/select.ts'
import { session } from '../data/state.ts'
import { type ReportOf, reportsOf } from '../data/states.ts'
import { Age, Clock, Empty, Facts, type Level, OutsideLink, Section, Status, Text, Title } from '../parts/basics.tsx'
import { DeregisterButton, DrainButtons } from '../parts/instance-changes.tsx'
import { Problems, Story } from '../parts/problems.tsx'
import { useResource } from '../parts/resource.ts'
import { type Column, Table } from '../parts/table.tsx'
import { ProcessState } from './processes.tsx'
import { ProcessCharts } from './samples.tsx'

/** How is this process? */
export function ProcessPage({ model, processId }: { readonly model: FleetModel; readonly processId: string }): JSX.Element {
  const process = processOf(model, processId)
  if (!process)
    return (
      <>
        <Title>Process</Title>
        <Empty>
          This process is no longer listed: it ended, or its registration did. <a href={to('processes')}>All processes</a>
        </Empty>
        <Story changes={changesOf(model, { processId })} problems={[]} />
      </>
    )
  const problems = problemsOf(model, { processId })
  return (
    <>
      <Title aside={<Links process={process} />}>
        <Text of={process.name} longest={80} />
      </Title>
      <p class="summary">
        <ProcessState process={process} /> for <Age since={process.since} /> · <Text of={process.address} longest={80} />
        {process.state !== 'answers' && process.lastError && (
          <>
            {' '}
            · <Text of={process.lastError.message} />
          </>
        )}
      </p>
      <Identity process={process} />
      {problems.length > 0 && (
        <Section title="Wrong now">
          <Problems problems={problems} empty="" />
        </Section>
      )}
      {process.state === 'answers' && (
        <Section title="The last five minutes">
          <ProcessCharts processId={processId} />
        </Section>
      )}
      <States process={process} />
      {process.state === 'answers' && <Slow processId={processId} />}
      <Section title="When did it begin?">
        <Story changes={changesOf(model, { processId })} problems={problems} />
      </Section>
      <Packages process={process} />
    </>
  )
}

function Links({ process }: { readonly process: FleetProcess }): JSX.Element {
  const { processId, name, services, gateways } = process
  const { logsLink } = session.value ?? {}
  const [first] = services
  return (
    <>
      {gateways.length > 0 && <a href={to('gateways')}>{count(gateways.length, 'gateway')}</a>}
      <OutsideLink
        template={logsLink}
        values={{ service: first?.service ?? '', instance: first?.instanceId ?? '', process: processId, name }}
      >
        Logs
      </OutsideLink>
      <DrainButtons process={process} />
      {services.map(({ service, instanceId }) => (
        <DeregisterButton key={`${service} ${instanceId}`} service={service} instanceId={instanceId} process={process} />
      ))}
    </>
  )
}

function Identity({ process }: { readonly process: FleetProcess }): JSX.Element {
  const { services, startedAt, node, system, controls } = process
  return (
    <Facts
      of={[
        [
          'Instances',
          services.length === 0
            ? 'registers none'
            : services.map(({ service, instanceId }) => (
                <a key={instanceId} href={to('services', service, instanceId)}>
                  <Text of={`${service} ${instanceId}`} longest={80} />{' '}
                </a>
              )),
        ],
        ['Started', <Age key="s" since={startedAt} />],
        ['Node', <Text key="n" of={node ?? '–'} />],
        ['CPU', system ? percent(system.cpu) : '–'],
        ['Memory', system ? bytes(system.residentBytes) : '–'],
        ['Heap', system ? `${bytes(system.heapUsedBytes)} of ${bytes(system.heapLimitBytes)}` : '–'],
        ['Event loop p99', latency(system?.loopDelayMs)],
        ['Can be changed', controls.length === 0 ? 'nothing: read-only' : controls.join(', ')],
      ]}
    />
  )
}

const backendLevels: Readonly<Record<string, Level>> = { connected: 'good', disconnected: 'critical', closed: 'unknown' }
const registrationLevels: Readonly<Record<string, Level>> = { active: 'good', failed: 'critical', recovering: 'warning' }

/** A line of the table of states. */
interface StateRow {
  readonly key: string
  readonly what: string
  readonly name: string
  readonly level: Level
  readonly state: string
  readonly since?: number | undefined
  readonly note?: string | undefined
}

function rowsOf(process: FleetProcess): readonly StateRow[] {
  const row = (what: string, name: string, rest: Omit<StateRow, 'key' | 'what' | 'name'>): StateRow => ({
    key: `${what} ${name}`,
    what,
    name,
    ...rest,
  })
  return [
    ...reportsOf(process, 'backend').map(({ role = 'backend', backend, state, since, lastError }) =>
      row(role, backend, { level: backendLevels[state] ?? 'warning', state, since, note: lastError?.message }),
    ),
    ...reportsOf(process, 'registration').map(({ service, instanceId, registry, state, since, lastError }) =>
      row('registration', `${service} ${instanceId} at ${registry}`, {
        level: registrationLevels[state] ?? 'unknown',
        state,
        since,
        note: lastError?.message,
      }),
    ),
    ...reportsOf(process, 'cluster').map((report) => row('sees', report.service, describeCluster(report))),
    ...reportsOf(process, 'breaker').map(({ breaker, service, instanceId, state, since, reason }) =>
      row('breaker', `${service} ${instanceId ?? ''} ${breaker}`, {
        level: state === 'closed' ? 'good' : state === 'half-open' ? 'warning' : 'critical',
        state,
        since,
        note: reason,
      }),
    ),
    ...reportsOf(process, 'limit').map(({ limit, service, max, active, waiting }) =>
      row('limit', `${service} ${limit}`, {
        level: active >= max ? 'warning' : 'good',
        state: `${active} of ${max}`,
        note: waiting > 0 ? `${waiting} waiting` : undefined,
      }),
    ),
    ...reportsOf(process, 'retry-budget').map(({ service, available }) =>
      row('retry budget', service, { level: available < 1 ? 'warning' : 'good', state: `${Math.floor(available)} left` }),
    ),
    ...reportsOf(process, 'config').map(({ config, version, updatedAt, refusedSources, staleSources }) =>
      row('configuration', config, {
        level: refusedSources.length > 0 ? 'critical' : staleSources.length > 0 ? 'warning' : 'good',
        state: refusedSources.length > 0 ? 'rejected' : staleSources.length > 0 ? 'stale' : `version ${version}`,
        since: updatedAt,
        note: [...refusedSources, ...staleSources].join(', ') || undefined,
      }),
    ),
  ]
}

function describeCluster({
  eligible,
  instances,
  isPanic,
  staleForMs,
  ejected,
}: ReportOf<'cluster'>): Pick<StateRow, 'level' | 'state' | 'note'> {
  const all = Object.values(instances).reduce((sum, number) => sum + number, 0)
  const notes = [
    isPanic && 'panic: all are used',
    staleForMs > 0 && 'the list is stale',
    ejected > 0 && `${ejected} ejected`,
  ].filter(Boolean)
  return {
    level: eligible === 0 ? 'critical' : notes.length > 0 || eligible < all ? 'warning' : 'good',
    state: `${eligible} of ${all} get traffic`,
    note: notes.join(', ') || undefined,
  }
}

const stateColumns: readonly Column<StateRow>[] = [
  { name: 'What', cell: ({ what }) => what, sort: ({ what }) => what },
  { name: 'Name', cell: ({ name }) => <Text of={name} longest={120} />, sort: ({ name }) => name },
  { name: 'State', cell: ({ level, state }) => <Status level={level}>{state}</Status>, sort: ({ level }) => level },
  { name: 'Since', cell: ({ since }) => <Age since={since} />, sort: ({ since = 0 }) => since },
  { name: 'Note', cell: ({ note }) => <Text of={note ?? '–'} /> },
]

function States({ process }: { readonly process: FleetProcess }): JSX.Element {
  return (
    <Section title="Registries, registrations, policies, configuration">
      <Table
        name="States"
        rows={rowsOf(process)}
        keyOf={({ key }) => key}
        columns={stateColumns}
        empty={<Empty>It reported no state.</Empty>}
      />
    </Section>
  )
}

function Slow({ processId }: { readonly processId: string }): JSX.Element {
  const { answer, problem } = useResource<SlowReport>('ask', { process: processId, path: '/slow' }, 10_000)
  return (
    <>
      <Section title="Slowest calls of five minutes">
        <Calls name="Slowest" calls={answer?.slowest ?? []} empty={problem ?? 'There was no call.'} />
      </Section>
      <Section title="Last failed calls">
        <Calls name="Failed" calls={answer?.failed ?? []} empty={problem ?? 'No call failed.'} />
      </Section>
    </>
  )
}

function Calls({
  name,
  calls,
  empty,
}: {
  readonly name: string
  readonly calls: readonly CallRecord[]
  readonly empty: string
}): JSX.Element {
  return (
    <Table
      name={name}
      rows={calls.map((call, index) => ({ call, index }))}
      keyOf={({ index }) => String(index)}
      columns={[
        { name: 'Call', cell: ({ call }) => <Text of={`${call.method} ${call.service} ${call.path}`} longest={160} /> },
        { name: 'When', cell: ({ call }) => <Clock at={call.at} />, sort: ({ call }) => call.at },
        { name: 'Took', isNumber: true, cell: ({ call }) => latency(call.durationMs), sort: ({ call }) => call.durationMs },
        { name: 'Attempts', isNumber: true, cell: ({ call }) => call.attempts, sort: ({ call }) => call.attempts },
        { name: 'Instance', cell: ({ call }) => <Text of={call.instanceId ?? '–'} longest={60} /> },
        {
          name: 'Result',
          cell: ({ call }) => <Text of={call.error ? `${call.error.code}: ${call.error.message}` : (call.status ?? '–')} />,
        },
      ]}
      empty={<Empty>{empty}</Empty>}
    />
  )
}

function Packages({ process }: { readonly process: FleetProcess }): JSX.Element {
  const rows = Object.entries(process.packages)
  return (
    <details>
      <summary>{count(rows.length, 'package')}</summary>
      <Table
        name="Packages"
        rows={rows}
        keyOf={([name]) => name}
        columns={[
          { name: 'Package', cell: ([name]) => <Text of={name} longest={60} />, sort: ([name]) => name },
          {
            name: 'Versions',
            cell: ([, versions]) =>
              versions.length > 1 ? (
                <Status level="warning">{versions.join(' and ')}</Status>
              ) : (
                <Text of={versions[0]} longest={40} />
              ),
          },
        ]}
        empty={null}
      />
    </details>
  )
}
