import type { FleetModel, FleetService } from '@sd/fleet'
import type { JSX } from 'preact'
import { matches } from '../data/filter.ts'
import { latency, listing, percent, rate } from '../data/format.ts'
import { parameter, to } from '../data/route.ts'
import { healthyOf } from '../data/select.ts'
import { trends } from '../data/state.ts'
import { Empty, type Level, Status, Text, Title } from '../parts/basics.tsx'
import { Spark } from '../parts/charts.tsx'
import { type Column, Filter, Table } from '../parts/table.tsx'
import { setUp } from './overview.tsx'

/** What is there, and who uses it? */
export function Services({ model }: { readonly model: FleetModel }): JSX.Element {
  const filter = parameter('q')
  const rows = model.services.filter((service) => matches(filter, describe(service)))
  return (
    <>
      <Title>Services</Title>
      <Filter
        label="Filter services"
        hint="name  tag:  version:  zone:  caller:  unhealthy"
        shown={rows.length}
        all={model.services.length}
      />
      {model.omitted.services > 0 && (
        <p class="banner warning">
          {model.omitted.services} services are left out, because there are more than the limit allows.
        </p>
      )}
      <Table
        name="Services"
        rows={rows}
        columns={columns}
        keyOf={({ service }) => service}
        empty={
          model.services.length === 0 ? (
            <Empty code={setUp}>The registry {model.registry.name} lists no service. Register one, and it appears here:</Empty>
          ) : (
            <Empty>No service matches this filter.</Empty>
          )
        }
      />
    </>
  )
}

function describe(service: FleetService): Parameters<typeof matches>[1] {
  const { instances } = service
  const healthy = healthyOf(service)
  return {
    text: [service.service, ...service.versions],
    name: service.service,
    tag: instances.flatMap(({ tags }) => tags),
    version: service.versions,
    zone: instances.flatMap(({ zone = '' }) => zone),
    caller: service.calledBy,
    unhealthy: healthy < instances.length || instances.length === 0,
    healthy: healthy === instances.length && instances.length > 0,
    failing: service.traffic.failedShare > 0.01,
  }
}

/** Healthy instances, counted by instance. */
export function InstanceCount({ service }: { readonly service: FleetService }): JSX.Element {
  const all = service.instances.length
  const healthy = healthyOf(service)
  const level: Level = all === 0 || healthy === 0 ? 'critical' : healthy < all ? 'warning' : 'good'
  return (
    <Status level={level}>{all === 0 ? 'none registered' : healthy === all ? `${all} healthy` : `${healthy} of ${all}`}</Status>
  )
}

const columns: readonly Column<FleetService>[] = [
  {
    name: 'Service',
    cell: ({ service }) => (
      <a href={to('services', service)}>
        <Text of={service} longest={80} />
      </a>
    ),
    sort: ({ service }) => service,
  },
  {
    name: 'Instances',
    cell: (service) => <InstanceCount service={service} />,
    sort: (service) => (service.instances.length === 0 ? -1 : healthyOf(service) / service.instances.length),
  },
  { name: 'Versions', cell: ({ versions }) => <Text of={listing(versions, 3)} />, sort: ({ versions }) => versions[0] ?? '' },
  { name: 'Calls/s', isNumber: true, cell: ({ traffic }) => rate(traffic.perSecond), sort: ({ traffic }) => traffic.perSecond },
  {
    name: 'Trend',
    cell: ({ service }) => <Spark values={trends.get(service) ?? []} label="Calls per second since this page was opened" />,
  },
  {
    name: 'Failed',
    isNumber: true,
    cell: ({ traffic }) =>
      traffic.failedShare > 0.01 ? (
        <Status level="critical">{percent(traffic.failedShare)}</Status>
      ) : (
        percent(traffic.failedShare)
      ),
    sort: ({ traffic }) => traffic.failedShare,
  },
  { name: 'p50', isNumber: true, cell: ({ traffic }) => latency(traffic.p50Ms), sort: ({ traffic }) => traffic.p50Ms ?? -1 },
  { name: 'p99', isNumber: true, cell: ({ traffic }) => latency(traffic.p99Ms), sort: ({ traffic }) => traffic.p99Ms ?? -1 },
  {
    name: 'Called by',
    cell: ({ calledBy }) => (calledBy.length === 0 ? <span class="muted">–</span> : <Text of={listing(calledBy)} />),
  },
]
