import type { GatewayAnswer } from '@sd/core'
import type { FleetModel, FleetProcess } from '@sd/fleet'
import type { JSX } from 'preact'
import { matches } from '../data/filter.ts'
import { count } from '../data/format.ts'
import { parameter, to } from '../data/route.ts'
import { Age, Empty, Section, Status, Text, Title } from '../parts/basics.tsx'
import { Filter, Table } from '../parts/table.tsx'

interface RouteRow {
  readonly gateway: GatewayAnswer
  readonly process: FleetProcess
  readonly route: GatewayAnswer['routes'][number]
}

/** Which route goes where, and is the newest table in effect? */
export function Gateways({ model }: { readonly model: FleetModel }): JSX.Element {
  const gateways = model.processes.flatMap((process) => process.gateways.map((gateway) => ({ process, gateway })))
  const routes: readonly RouteRow[] = gateways.flatMap(({ process, gateway }) =>
    gateway.routes.map((route) => ({ process, gateway, route })),
  )
  const filter = parameter('q')
  const shown = routes.filter(({ gateway, route }) =>
    matches(filter, {
      text: [route.route, route.match, route.action],
      gateway: gateway.gateway,
      service: route.services,
      filter: route.filters,
    }),
  )
  return (
    <>
      <Title>Gateways</Title>
      {gateways.map(({ gateway, process }) =>
        gateway.refused ? (
          <p key={`${process.processId} ${gateway.gateway}`} class="banner critical">
            <Text of={process.name} longest={60} />: the table of <Age since={gateway.refused.at} /> ago was refused, version{' '}
            {gateway.version} stays in effect: <Text of={gateway.refused.error.message} longest={500} />
          </p>
        ) : null,
      )}
      <Table
        name="Gateways"
        rows={gateways}
        keyOf={({ process, gateway }) => `${process.processId} ${gateway.gateway}`}
        columns={[
          {
            name: 'Gateway',
            cell: ({ process, gateway }) => (
              <a href={to('processes', process.processId)}>
                <Text of={`${gateway.gateway} in ${process.name}`} longest={80} />
              </a>
            ),
            sort: ({ gateway }) => gateway.gateway,
          },
          {
            name: 'State',
            cell: ({ gateway: { isReady, refused } }) =>
              refused ? (
                <Status level="critical">refused a table</Status>
              ) : (
                <Status level={isReady ? 'good' : 'warning'}>{isReady ? 'ready' : 'not ready'}</Status>
              ),
          },
          { name: 'Version', isNumber: true, cell: ({ gateway }) => gateway.version, sort: ({ gateway }) => gateway.version },
          {
            name: 'In effect since',
            cell: ({ gateway }) => <Age since={gateway.updatedAt} />,
            sort: ({ gateway }) => gateway.updatedAt,
          },
          {
            name: 'Listeners',
            cell: ({ gateway: { listeners } }) => (
              <Text
                of={listeners
                  .map(
                    ({ host, port, protocols, isSecure, connections }) =>
                      `${host}:${port} ${protocols.join('/')}${isSecure ? ' TLS' : ''} ${connections} open`,
                  )
                  .join(' · ')}
              />
            ),
          },
          {
            name: 'Routes',
            isNumber: true,
            cell: ({ gateway: { routes: own, omitted } }) => own.length + omitted,
            sort: ({ gateway }) => gateway.routes.length,
          },
        ]}
        empty={
          <Empty code={example}>No gateway has an admin endpoint. A gateway of @sd/gateway-server has one by its document:</Empty>
        }
      />
      {routes.length > 0 && (
        <Section title="Routes" aside={count(routes.length, 'route')}>
          <Filter label="Filter routes" hint="path  gateway:  service:  filter:" shown={shown.length} all={routes.length} />
          <Table
            name="Routes"
            rows={shown}
            keyOf={({ process, gateway, route }) => `${process.processId} ${gateway.gateway} ${route.route}`}
            columns={[
              { name: 'Route', cell: ({ route }) => <Text of={route.route} longest={80} />, sort: ({ route }) => route.route },
              { name: 'Matches', cell: ({ route }) => <Text of={route.match} /> },
              { name: 'Goes to', cell: ({ route }) => <Text of={route.action} /> },
              {
                name: 'Services',
                cell: ({ route: { services } }) =>
                  services.slice(0, 10).map((service) => (
                    <a key={service} href={to('services', service)}>
                      <Text of={service} longest={60} />{' '}
                    </a>
                  )),
              },
              { name: 'Filters', cell: ({ route }) => <Text of={route.filters.join(', ') || '–'} /> },
              { name: 'In', cell: ({ process }) => <Text of={process.name} longest={60} />, sort: ({ process }) => process.name },
            ]}
            empty={<Empty>No route matches this filter.</Empty>}
          />
        </Section>
      )}
    </>
  )
}

const example = `admin: { address: "0.0.0.0:9465", token: "file:/run/secrets/admin" }`
