import type { FleetModel } from '@sd/fleet'
import type { ComponentChildren, JSX } from 'preact'
import { count, percent, rate } from '../data/format.ts'
import { to } from '../data/route.ts'
import { healthyOf } from '../data/select.ts'
import { Age, Empty, Section, Title } from '../parts/basics.tsx'
import { Problems, Story } from '../parts/problems.tsx'

/** Is anything wrong? */
export function Overview({ model }: { readonly model: FleetModel }): JSX.Element {
  const { services, processes, edges, problems, changes, registry } = model
  const instances = services.flatMap((service) => service.instances)
  const healthy = services.reduce((sum, service) => sum + healthyOf(service), 0)
  const answering = processes.filter(({ state }) => state === 'answers').length
  const perSecond = edges.reduce((sum, { traffic }) => sum + traffic.perSecond, 0)
  const failed = edges.reduce((sum, { traffic }) => sum + traffic.perSecond * traffic.failedShare, 0)
  const bad = problems.filter(({ severity }) => severity !== 'info')
  const notes = problems.filter(({ severity }) => severity === 'info')
  return (
    <>
      <Title>Overview</Title>
      {registry.staleSince !== undefined && (
        <p class="banner warning">
          The registry {registry.name} has been unreachable for <Age since={registry.staleSince} />. The last known instances are
          shown, and callers still use them.
        </p>
      )}
      <ul class="tiles">
        <Tile name="services" href={to('services')}>
          {services.length}
        </Tile>
        <Tile name="instances healthy" href={to('services')} isBad={healthy < instances.length}>
          {healthy} <small>of {instances.length}</small>
        </Tile>
        <Tile name="processes answer" href={to('processes')} isBad={answering < processes.length}>
          {answering} <small>of {processes.length}</small>
        </Tile>
        <Tile name="calls per second" href={to('graph')}>
          {rate(perSecond)}
        </Tile>
        <Tile name="of the calls fail" href={to('graph')} isBad={failed > perSecond * 0.01}>
          {percent(perSecond === 0 ? 0 : failed / perSecond)}
        </Tile>
      </ul>
      <div class="columns">
        <Section title="Wrong now">
          {services.length === 0 ? (
            <Empty code={setUp}>
              The registry lists no service. Register one, and it appears here within seconds. Give each process an admin endpoint
              to see who calls it and how:
            </Empty>
          ) : (
            <Problems problems={bad} empty={`Nothing is wrong: ${describeHealth(services)}`} />
          )}
          {notes.length > 0 && (
            <details>
              <summary>{count(notes.length, 'note')}</summary>
              <Problems problems={notes} empty="" />
            </details>
          )}
        </Section>
        <Section title="What happened" aside={<a href={to('events')}>All events</a>}>
          <Story changes={changes} problems={problems} />
        </Section>
      </div>
    </>
  )
}

/** How a process gets an admin endpoint. */
export const setUp = `import { serveAdmin } from '@sd/admin'
import { ADMIN_PORT } from '@sd/core'

const admin = await serveAdmin({ host: '0.0.0.0', authenticate: { token: process.env.ADMIN_TOKEN } })
await registry.register({ service: 'orders', address, port: 8080, ports: { [ADMIN_PORT]: admin.port } })
// An application of @sd/app has it by one option: admin: true`

function describeHealth(services: FleetModel['services']): string {
  const withHealthy = services.filter((service) => healthyOf(service) > 0).length
  return withHealthy === services.length
    ? `${services.length === 1 ? 'the only service has' : `all ${services.length} services have`} healthy instances.`
    : `${withHealthy} of ${services.length} services have healthy instances.`
}

function Tile({
  name,
  href,
  isBad = false,
  children,
}: {
  readonly name: string
  readonly href: string
  readonly isBad?: boolean
  readonly children: ComponentChildren
}): JSX.Element {
  return (
    <li>
      <a href={href} class={isBad ? 'bad' : ''}>
        <b>
          {isBad && <span aria-hidden="true">▲ </span>}
          {children}
        </b>
        <span>{name}</span>
      </a>
    </li>
  )
}
