import type { StateReport } from '@sd/core'
import type { FleetProcess } from '../model.ts'
import { atReader } from '../rules/rule.ts'
import { short } from '../rules/words.ts'
import { type Change, type Differ, differences, type ModelState, type Tracked } from './change.ts'

interface Found<T> {
  readonly process: FleetProcess
  readonly item: T
}

/** Lists something that processes have, by process and key. A process that does not answer keeps what it had. */
function listOf<T>(
  itemsOf: (process: FleetProcess) => readonly T[],
  keyOf: (item: T) => string,
  timeOf: (item: T) => number | undefined,
): (model: ModelState) => ReadonlyMap<string, Tracked<Found<T>>> {
  return ({ processes }) =>
    new Map(
      processes.flatMap((process) =>
        itemsOf(process).map((item) => [
          `${process.processId}\n${keyOf(item)}`,
          { value: { process, item }, at: atReader(process, timeOf(item)) },
        ]),
      ),
    )
}

function statesOf<Kind extends StateReport['kind']>(kind: Kind) {
  return ({ states }: FleetProcess): readonly Extract<StateReport, { kind: Kind }>[] =>
    states.filter((state): state is Extract<StateReport, { kind: Kind }> => state.kind === kind)
}

const listBreakers = listOf(
  statesOf('breaker'),
  ({ breaker, service, instanceId = '' }) => `${breaker}\n${service}\n${instanceId}`,
  ({ since }) => since,
)

/** Breakers that open, close and try. */
export const breakerChanges: Differ = function* (step): Iterable<Change> {
  for (const { after, at } of differences(step, listBreakers, (a, b) => a.item.state === b.item.state)) {
    if (!after || after.item.since === undefined) continue
    const { process, item } = after
    const what = item.instanceId === undefined ? short(item.service) : `${short(item.instanceId)} of ${short(item.service)}`
    yield {
      at,
      kind: 'breaker',
      about: { service: item.service, instanceId: item.instanceId, processId: process.processId },
      severity: item.state === 'open' ? 'warning' : 'info',
      text: `The breaker of ${short(process.name)} for ${what} is ${item.state}${item.reason ? ` (${item.reason})` : ''}`,
    }
  }
}

const listClusters = listOf(
  statesOf('cluster'),
  ({ service }) => service,
  () => undefined,
)

/** Panics that begin and end. */
export const panicChanges: Differ = function* (step): Iterable<Change> {
  for (const { before, after, at } of differences(step, listClusters, (a, b) => a.item.isPanic === b.item.isPanic)) {
    if (!after || (!before && !after.item.isPanic)) continue
    const { process, item } = after
    yield {
      at,
      kind: 'panic',
      about: { service: item.service, processId: process.processId },
      severity: item.isPanic ? 'critical' : 'info',
      text: `${short(process.name)} ${item.isPanic ? 'uses all endpoints' : 'no longer uses all endpoints'} of ${short(item.service)}`,
    }
  }
}

const listRegistrations = listOf(
  statesOf('registration'),
  ({ registry, service, instanceId }) => `${registry}\n${service}\n${instanceId}`,
  ({ since }) => since,
)

/** Registrations that are lost and come back. */
export const registrationChanges: Differ = function* (step): Iterable<Change> {
  for (const { before, after, at } of differences(step, listRegistrations, (a, b) => a.item.state === b.item.state)) {
    // A new one is seen as an instance that joined.
    if (!after || !before) continue
    const { process, item } = after
    const { service, instanceId, state, registry } = item
    yield {
      at,
      kind: 'registration',
      about: { service, instanceId, processId: process.processId },
      severity: state === 'failed' ? 'critical' : state === 'recovering' ? 'warning' : 'info',
      text: `The registration of ${short(instanceId)} of ${short(service)} in ${short(registry)} is ${state}`,
    }
  }
}

const listConfigs = listOf(
  statesOf('config'),
  ({ config }) => config,
  ({ version, updatedAt }) => (version > 1 ? updatedAt : undefined),
)

/** New versions of configurations, and sources that refuse or no longer do. */
export const configChanges: Differ = function* (step): Iterable<Change> {
  const same = ({ item: a }: Found<ConfigState>, { item: b }: Found<ConfigState>): boolean =>
    a.version === b.version && a.refusedSources.length === b.refusedSources.length
  for (const { before, after, at } of differences(step, listConfigs, same)) {
    if (!after || (step.before && !before)) continue
    const { process, item } = after
    const about = { config: item.config, processId: process.processId, service: process.services[0]?.service }
    if (before?.item.version !== item.version) {
      yield {
        at,
        kind: 'config',
        about,
        severity: 'info',
        text: `${short(process.name)} has version ${item.version} of configuration ${short(item.config)}`,
      }
    }
    const refused = item.refusedSources.length
    if (refused !== (before?.item.refusedSources.length ?? 0)) {
      const text = `${short(process.name)} ${refused > 0 ? 'refuses' : 'no longer refuses'} the newest content of configuration ${short(item.config)}`
      yield { at: step.after.at, kind: 'config', about, severity: refused > 0 ? 'critical' : 'info', text }
    }
  }
}

type ConfigState = Extract<StateReport, { kind: 'config' }>

const listGateways = listOf(
  ({ gateways }) => gateways,
  ({ gateway }) => gateway,
  ({ version, updatedAt }) => (version > 1 ? updatedAt : undefined),
)

/** Gateways that take a new table of routes, or refuse one. */
export const gatewayChanges: Differ = function* (step): Iterable<Change> {
  for (const { before, after, at } of differences(
    step,
    listGateways,
    (a, b) => a.item.version === b.item.version && a.item.refused?.at === b.item.refused?.at,
  )) {
    if (!after || (step.before && !before)) continue
    const { process, item } = after
    const about = { gateway: item.gateway, processId: process.processId }
    if (before?.item.version !== item.version) {
      yield {
        at,
        kind: 'gateway',
        about,
        severity: 'info',
        text: `Gateway ${short(item.gateway)} in ${short(process.name)} has version ${item.version}`,
      }
    }
    if (item.refused && before?.item.refused?.at !== item.refused.at) {
      yield {
        at: step.after.at,
        kind: 'gateway',
        about,
        severity: 'critical',
        text: `Gateway ${short(item.gateway)} in ${short(process.name)} refused a document`,
      }
    }
  }
}
