import type { ConfigAnswer as ProcessConfig } from '@sd/core'
import type { FleetModel, FleetProcess } from '@sd/fleet'
import type { JSX } from 'preact'
import type { ConfigEntryAnswer, ConfigListAnswer } from '../../src/protocol.ts'
import { matches } from '../data/filter.ts'
import { count } from '../data/format.ts'
import { parameter, to } from '../data/route.ts'
import { Age, Empty, Section, Status, Text, Title } from '../parts/basics.tsx'
import { useResource } from '../parts/resource.ts'
import { type Column, Filter, Table } from '../parts/table.tsx'

/** Which configuration is there, and which process has which? */
export function Configuration({ model }: { readonly model: FleetModel }): JSX.Element {
  const { answer, problem } = useResource<ConfigListAnswer>('configs', {}, 15_000)
  const filter = parameter('q')
  const entries = answer?.entries ?? []
  const shown = entries.filter(({ source, key, hasHistory }) =>
    matches(filter, { text: [key, source], source, history: hasHistory }),
  )
  return (
    <>
      <Title>Configuration</Title>
      {problem && <p class="banner critical">{problem}</p>}
      {answer?.failed.map(({ source, message }) => (
        <p key={source} class="banner warning">
          <Text of={source} longest={80} /> could not be read: <Text of={message} />
        </p>
      ))}
      {entries.length > 0 && (
        <Filter label="Filter entries" hint="key  source:  history" shown={shown.length} all={entries.length} />
      )}
      <Table
        name="Entries"
        rows={shown}
        keyOf={({ source, key }) => `${source} ${key}`}
        columns={entryColumns}
        empty={
          <Empty code={answer && entries.length === 0 ? example : ''}>
            {!answer
              ? 'Reading…'
              : entries.length === 0
                ? 'The dashboard was given no configuration. Hand it the sources and their histories:'
                : 'No entry matches this filter.'}
          </Empty>
        }
      />
      <Section title="What processes have">
        <Table
          name="Configurations of processes"
          rows={loadedConfigs(model).filter(({ process, config }) => matches(filter, { text: [config.config, process.name] }))}
          keyOf={({ process, config }) => `${process.processId} ${config.config}`}
          columns={loadedColumns}
          empty={
            <Empty>
              {filter === ''
                ? 'No process with an admin endpoint uses @sd/config.'
                : 'No configuration of a process matches this filter.'}
            </Empty>
          }
        />
      </Section>
    </>
  )
}

const example = `import { createConfigHistory, createSourceStore } from '@sd/config-history'

const history = createConfigHistory({ source, key: 'orders.yaml', store, author: 'dashboard' })
createDashboard({ fleet, authenticate, configs: [{ source, histories: { 'orders.yaml': history } }] })`

const entryColumns: readonly Column<ConfigEntryAnswer>[] = [
  {
    name: 'Entry',
    cell: ({ source, key }) => (
      <a href={to('configuration', source, key)}>
        <Text of={key} longest={120} />
      </a>
    ),
    sort: ({ key }) => key,
  },
  { name: 'Source', cell: ({ source }) => <Text of={source} longest={80} />, sort: ({ source }) => source },
  { name: 'Revision', cell: ({ revision }) => <Text of={revision ?? 'deleted'} longest={20} /> },
  { name: 'History', cell: ({ hasHistory }) => (hasHistory ? 'versions, diff, undo' : <span class="muted">none</span>) },
  { name: 'Canary', cell: ({ hasCanary }) => (hasCanary ? 'can be steered' : <span class="muted">–</span>) },
]

/** A configuration of a process. */
interface LoadedConfig {
  readonly process: FleetProcess
  readonly config: ProcessConfig
  /** Whether most other processes have other values under this name. */
  readonly differs: boolean
}

function loadedConfigs({ processes }: FleetModel): readonly LoadedConfig[] {
  const all = processes.flatMap((process) => process.configs.map((config) => ({ process, config })))
  const digests = new Map<string, Map<string, number>>()
  for (const { process, config } of all) {
    const group = groupOf(process, config)
    const counts = digests.get(group) ?? new Map<string, number>()
    counts.set(config.digest, (counts.get(config.digest) ?? 0) + 1)
    digests.set(group, counts)
  }
  return all.map(({ process, config }) => {
    const counts = digests.get(groupOf(process, config)) ?? new Map<string, number>()
    return { process, config, differs: (counts.get(config.digest) ?? 0) < Math.max(...counts.values()) }
  })
}

/** Configurations are compared within a service: those of other services differ anyway. */
function groupOf({ services, name }: FleetProcess, { config }: ProcessConfig): string {
  return `${services[0]?.service ?? name}\n${config}`
}

const loadedColumns: readonly Column<LoadedConfig>[] = [
  {
    name: 'Process',
    cell: ({ process }) => (
      <a href={to('processes', process.processId)}>
        <Text of={process.name} longest={60} />
      </a>
    ),
    sort: ({ process }) => process.name,
  },
  { name: 'Configuration', cell: ({ config }) => <Text of={config.config} longest={60} />, sort: ({ config }) => config.config },
  { name: 'In effect since', cell: ({ config }) => <Age since={config.updatedAt} />, sort: ({ config }) => config.updatedAt },
  {
    name: 'Values',
    cell: ({ differs }) =>
      differs ? (
        <Status level="warning">differ from the other instances</Status>
      ) : (
        <Status level="good">same as the others</Status>
      ),
    sort: ({ differs }) => (differs ? 0 : 1),
  },
  {
    name: 'Sources',
    cell: ({ config: { sources } }) => {
      const refused = sources.filter((source) => source.refused)
      const stale = sources.filter((source) => source.stale)
      if (refused.length > 0)
        return (
          <Status level="critical">
            <Text of={`rejected: ${refused[0]?.refused?.failures[0]?.message ?? refused[0]?.source}`} />
          </Status>
        )
      if (stale.length > 0)
        return (
          <Status level="warning">
            <Text of={stale[0]?.source} longest={60} /> unreachable for <Age since={stale[0]?.stale?.since} />
          </Status>
        )
      return count(sources.length, 'source')
    },
  },
]
