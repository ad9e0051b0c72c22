import type { FleetInstance, FleetModel, FleetService, ServiceFinding } from '@sd/fleet'
import type { JSX } from 'preact'
import { count, latency, percent, rate } from '../data/format.ts'
import { to } from '../data/route.ts'
import { changesOf, explainReach, problemsOf, reachOf } from '../data/select.ts'
import { session } from '../data/state.ts'
import type { BreakerRow } from '../data/states.ts'
import { breakersOf } from '../data/states.ts'
import { Age, Empty, Facts, Health, type Level, OutsideLink, Section, Status, Text, Title } from '../parts/basics.tsx'
import { ChangeButton } from '../parts/dialog.tsx'
import { Problems, Story } from '../parts/problems.tsx'
import { useResource } from '../parts/resource.ts'
import { type Column, Table } from '../parts/table.tsx'
import { TrafficCharts } from './samples.tsx'
import { InstanceCount } from './services.tsx'

/** Callers that have a column of their own. */
const mostCallers = 8

/** Why does this service get no traffic? */
export function Service({ model, name }: { readonly model: FleetModel; readonly name: string }): JSX.Element {
  const service = model.services.find((one) => one.service === name)
  const { traceLink } = session.value ?? {}
  // The callers are asked while this page is open: the model then has their views.
  const explained = useResource<ServiceFinding>('explain', { service: name }, 5_000)
  if (!service)
    return (
      <>
        <Title>
          <Text of={name} longest={80} />
        </Title>
        <Empty>
          The registry lists no service of this name, and no process calls it. It is case-sensitive.{' '}
          <a href={to('services')}>All services</a>
        </Empty>
      </>
    )
  const finding = explained.answer
  const reached = service.instances.filter((instance) => reachOf(instance) !== 'none').length
  const problems = problemsOf(model, { service: name })
  return (
    <>
      <Title
        aside={
          <>
            <a href={`${to('graph')}?focus=${encodeURIComponent(name)}`}>In the graph</a>
            <OutsideLink template={traceLink} values={{ service: name, instance: '' }}>
              Traces
            </OutsideLink>
          </>
        }
      >
        <Text of={name} longest={80} />
      </Title>
      <p class="summary">
        <InstanceCount service={service} /> · {count(reached, 'instance gets', 'instances get')} traffic
      </p>
      <Facts
        of={[
          ['Calls/s', rate(service.traffic.perSecond)],
          ['Failed', percent(service.traffic.failedShare)],
          ['p50', latency(service.traffic.p50Ms)],
          ['p99', latency(service.traffic.p99Ms)],
          ['Called by', <Names key="by" names={service.calledBy} none="no process with an admin endpoint" />],
          ['Needs', <Names key="needs" names={service.needs} none="nothing declared" />],
        ]}
      />
      <Failures service={service} />
      <TrafficCharts service={name} />
      <Section title="Wrong now">
        <Problems problems={problems} empty="Nothing is wrong with it." />
      </Section>
      <Section title="Who gets traffic, and why not">
        {finding?.callersDiffer && (
          <p>
            <Status level="warning">Its callers see different instances, or choose among them differently.</Status>
          </p>
        )}
        <Reasons instances={service.instances} />
        <Instances service={service} />
      </Section>
      <Callers callers={finding?.callers ?? []} />
      <Breakers rows={breakersOf(model, name)} />
      <Section title="When did it begin?">
        <Story changes={changesOf(model, { service: name })} problems={problems} />
      </Section>
    </>
  )
}

function Names({ names, none }: { readonly names: readonly string[]; readonly none: string }): JSX.Element {
  if (names.length === 0) return <span class="muted">{none}</span>
  return (
    <>
      {names.slice(0, 20).map((name, index) => (
        <span key={name}>
          {index > 0 && ', '}
          <a href={to('services', name)}>
            <Text of={name} longest={60} />
          </a>
        </span>
      ))}
      {names.length > 20 && ` and ${names.length - 20} more`}
    </>
  )
}

function Failures({ service: { traffic } }: { readonly service: FleetService }): JSX.Element | null {
  const codes = Object.entries(traffic.failed).sort(([, a], [, b]) => b - a)
  if (codes.length === 0) return null
  return (
    <p>
      Failed in the last minute:{' '}
      {codes.slice(0, 8).map(([code, number], index) => (
        <span key={code}>
          {index > 0 && ', '}
          <code>
            <Text of={code} longest={60} />
          </code>{' '}
          {number.toLocaleString('en')}
        </span>
      ))}
    </p>
  )
}

/** Sentences for the instances that do not get traffic of all callers. */
function Reasons({ instances }: { readonly instances: readonly FleetInstance[] }): JSX.Element {
  const without = instances.filter((instance) => ['none', 'some'].includes(reachOf(instance)))
  if (instances.length > 0 && without.length === 0)
    return (
      <p>
        {instances.some(({ views }) => views.length > 0)
          ? 'Every instance gets traffic from all its callers.'
          : 'No caller with an admin endpoint was seen.'}
      </p>
    )
  return (
    <ul class="reasons">
      {without.slice(0, 20).map((instance) => (
        <li key={instance.instanceId}>
          <Status level={reachOf(instance) === 'none' ? 'critical' : 'warning'}>
            <Text of={explainReach(instance)} longest={500} />
          </Status>
          {instance.healthMessage !== undefined && (
            <span class="muted">
              {' '}
              Its registration says: “<Text of={instance.healthMessage} />”
            </span>
          )}
        </li>
      ))}
      {without.length > 20 && <li>{count(without.length - 20, 'more instance')} without traffic</li>}
    </ul>
  )
}

function Instances({ service }: { readonly service: FleetService }): JSX.Element {
  const callers = [...new Set(service.instances.flatMap(({ views }) => views.map(({ caller }) => caller)))].sort()
  const own = callers.length <= mostCallers ? callers : []
  return (
    <Table
      name="Instances"
      rows={service.instances}
      keyOf={({ instanceId }) => instanceId}
      columns={[
        ...headColumns(service.service),
        ...own.map(callerColumn),
        ...(own.length === 0 ? [reachColumn] : []),
        ...tailColumns,
      ]}
      empty={<Empty>Nothing is registered under this name. A caller uses it, or an instance declares that it needs it.</Empty>}
    />
  )
}

const headColumns = (service: string): readonly Column<FleetInstance>[] => [
  {
    name: 'Instance',
    cell: ({ instanceId }) => (
      <a href={to('services', service, instanceId)}>
        <Text of={instanceId} longest={60} />
      </a>
    ),
    sort: ({ instanceId }) => instanceId,
  },
  {
    name: 'Health',
    cell: ({ health, healthSince }) => (
      <>
        <Health health={health} /> {health !== 'healthy' && healthSince !== undefined && <Age since={healthSince} />}
      </>
    ),
    sort: ({ health }) => health,
  },
]

/** How one caller sees an instance. */
function callerColumn(caller: string): Column<FleetInstance> {
  return {
    name: caller.slice(0, 40),
    cell: ({ views }) => {
      const view = views.find((one) => one.caller === caller)
      if (!view) return <span class="muted">–</span>
      return view.gets ? (
        <Status level="good">gets</Status>
      ) : (
        <Status level="critical">
          <Text of={view.reason ?? 'no reason given'} longest={60} />
        </Status>
      )
    },
  }
}

const reachColumn: Column<FleetInstance> = {
  name: 'Gets traffic from',
  cell: (instance) => {
    const { views } = instance
    const levels: Readonly<Record<ReturnType<typeof reachOf>, Level>> = {
      all: 'good',
      some: 'warning',
      none: 'critical',
      unknown: 'unknown',
    }
    return (
      <Status level={levels[reachOf(instance)]}>
        {views.filter(({ gets }) => gets).length} of {views.length}
      </Status>
    )
  },
}

const activeOf = ({ views }: FleetInstance): number => views.reduce((sum, { active }) => sum + active, 0)

const tailColumns: readonly Column<FleetInstance>[] = [
  { name: 'Att/s', isNumber: true, cell: ({ traffic }) => rate(traffic.perSecond), sort: ({ traffic }) => traffic.perSecond },
  {
    name: 'Failed',
    isNumber: true,
    cell: ({ traffic }) => percent(traffic.failedShare),
    sort: ({ traffic }) => traffic.failedShare,
  },
  { name: 'p99', isNumber: true, cell: ({ traffic }) => latency(traffic.p99Ms), sort: ({ traffic }) => traffic.p99Ms ?? -1 },
  { name: 'Active', isNumber: true, cell: activeOf, sort: activeOf },
  { name: 'Weight', isNumber: true, cell: ({ weight }) => weight, sort: ({ weight }) => weight },
  { name: 'Version', cell: ({ version }) => <Text of={version ?? '–'} longest={40} />, sort: ({ version = '' }) => version },
  { name: 'Zone', cell: ({ zone }) => <Text of={zone ?? '–'} longest={40} />, sort: ({ zone = '' }) => zone },
]

/** How each caller calls it. */
function Callers({ callers }: Pick<ServiceFinding, 'callers'>): JSX.Element | null {
  if (callers.length === 0) return null
  return (
    <Section title="How its callers call it">
      <Table name="Callers" rows={callers} keyOf={({ processId }) => processId} columns={callerColumns} empty={null} />
    </Section>
  )
}

const callerColumns: readonly Column<ServiceFinding['callers'][number]>[] = [
  {
    name: 'Caller',
    cell: ({ processId, caller }) => (
      <a href={to('processes', processId)}>
        <Text of={caller} longest={60} />
      </a>
    ),
    sort: ({ caller }) => caller,
  },
  { name: 'Calls/s', isNumber: true, cell: ({ traffic }) => rate(traffic.perSecond), sort: ({ traffic }) => traffic.perSecond },
  {
    name: 'Failed',
    isNumber: true,
    cell: ({ traffic }) => percent(traffic.failedShare),
    sort: ({ traffic }) => traffic.failedShare,
  },
  { name: 'p99', isNumber: true, cell: ({ traffic }) => latency(traffic.p99Ms), sort: ({ traffic }) => traffic.p99Ms ?? -1 },
  {
    name: 'Balancer',
    cell: ({ calls }) => <Text of={calls?.balancer ?? '–'} longest={40} />,
    sort: ({ calls }) => calls?.balancer ?? '',
  },
  {
    name: 'Settings',
    cell: ({ calls, error }) =>
      error ? (
        <Status level="warning">
          <Text of={error.message} />
        </Status>
      ) : (
        <Text
          of={
            Object.entries(calls?.settings ?? {})
              .map(([name, given]) => `${name} ${given}`)
              .join(', ') || '–'
          }
        />
      ),
  },
]

function Breakers({ rows }: { readonly rows: readonly BreakerRow[] }): JSX.Element | null {
  if (rows.length === 0) return null
  return (
    <Section title="Breakers of its callers">
      <Table name="Breakers" rows={rows} keyOf={({ key }) => key} columns={breakerColumns} empty={null} />
    </Section>
  )
}

const breakerLevels: Readonly<Record<string, Level>> = {
  closed: 'good',
  open: 'critical',
  'half-open': 'warning',
  isolated: 'critical',
}

const breakerColumns: readonly Column<BreakerRow>[] = [
  {
    name: 'Caller',
    cell: ({ process }) => (
      <a href={to('processes', process.processId)}>
        <Text of={process.name} longest={60} />
      </a>
    ),
    sort: ({ process }) => process.name,
  },
  {
    name: 'Instance',
    cell: ({ report }) => <Text of={report.instanceId ?? 'all'} longest={60} />,
    sort: ({ report }) => report.instanceId ?? '',
  },
  {
    name: 'State',
    cell: ({ report }) => <Status level={breakerLevels[report.state] ?? 'unknown'}>{report.state}</Status>,
    sort: ({ report }) => report.state,
  },
  { name: 'Since', cell: ({ report }) => <Age since={report.since} />, sort: ({ report }) => report.since ?? 0 },
  { name: 'Reason', cell: ({ report }) => <Text of={report.reason ?? '–'} /> },
  {
    name: 'Change',
    cell: ({ process, report }) =>
      session.value?.canWrite && process.controls.includes('breakers') ? (
        <BreakerButtons process={process} report={report} />
      ) : (
        <span class="muted">–</span>
      ),
  },
]

function BreakerButtons({
  process: { processId, name },
  report: { service, instanceId, state },
}: Pick<BreakerRow, 'process' | 'report'>): JSX.Element {
  const wanted = state === 'closed' ? 'open' : 'closed'
  const target = instanceId === undefined ? service : `${service}, instance ${instanceId}`
  return (
    <ChangeButton
      label={wanted === 'open' ? 'Open' : 'Close'}
      title={`${wanted === 'open' ? 'Open' : 'Close'} a breaker`}
      draft={{ action: 'breaker', processId, service, ...(instanceId !== undefined && { instanceId }), state: wanted }}
    >
      <p>
        The breaker of <Text of={name} longest={60} /> for <Text of={target} longest={120} /> is {state}.{' '}
        {wanted === 'open' ? 'Open: its calls are refused at once.' : 'Closed: its calls go through again.'}
      </p>
    </ChangeButton>
  )
}
