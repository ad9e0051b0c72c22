import { subscribeTelemetry, type TelemetryChannel, type TelemetryEvents } from '@sd/core'
import type { EventJournal, NewEvent } from './event-journal.ts'

/** Services whose changes of instances are summed up within a second. */
const maxServices = 1_000
/** Paths of changed values in a text. */
const maxPaths = 5

/** Follows the changes of components. */
export interface EventWatch {
  /** A second has passed. */
  tick(): void
  /** Stops following. */
  close(): void
}

/** Changes of the instances of a service within a second. */
interface InstanceChanges {
  added: number
  updated: number
  removed: number
}

/** The event of each channel that publishes changes of state. None of them has an event for each call. */
const describers: { readonly [Name in TelemetryChannel]?: (event: TelemetryEvents[Name]) => NewEvent } = {
  'sd:v1:backend:state': ({ backend, state, error }) => ({
    kind: 'backend',
    severity: state === 'disconnected' ? 'critical' : 'info',
    text: `${backend} is ${state}${because(error)}`,
  }),
  'sd:v1:registration:state': ({ registry, service, instanceId, state, error }) => ({
    kind: 'registration',
    service,
    instanceId,
    severity: state === 'failed' ? 'critical' : state === 'recovering' ? 'warning' : 'info',
    text: `the registration of ${instanceId} in ${registry} is ${state}${because(error)}`,
  }),
  'sd:v1:breaker:state': ({ breaker, state, previous, reason }) => ({
    kind: 'breaker',
    severity: state === 'open' || state === 'isolated' ? 'critical' : state === 'half-open' ? 'warning' : 'info',
    text: `breaker ${breaker}: ${previous} → ${state} (${reason})`,
  }),
  'sd:v1:endpoint:ejection': ({ service, instanceId, monitor, ejection }) => ({
    kind: 'ejection',
    service,
    instanceId,
    severity: ejection ? 'warning' : 'info',
    text: `${monitor} ${ejection ? 'ejected' : 'restored'} ${instanceId}`,
  }),
  'sd:v1:cluster:panic': ({ service, isPanic, healthyShare }) => ({
    kind: 'panic',
    service,
    severity: isPanic ? 'critical' : 'info',
    text: isPanic
      ? `only ${Math.round(healthyShare * 100)} % of the endpoints of ${service} are healthy: all are used`
      : `enough endpoints of ${service} are healthy again`,
  }),
  'sd:v1:config:update': ({ config, version, changed, error }) => ({
    kind: 'config',
    severity: error ? 'warning' : 'info',
    text: error ? `${config} rejected an update${because(error)}` : `${config} has version ${version}: ${shorten(changed)}`,
  }),
  'sd:v1:config:write': ({ source, key, change, version, of, author, comment }) => {
    const what = of === undefined ? change : `${change} to version ${of}`
    const now = version === undefined ? '' : `, now version ${version}`
    return {
      kind: 'config-write',
      severity: 'info',
      text: `${key} of ${source}: ${what}${now}${comment === undefined ? '' : ` (${comment})`}`,
      ...(author !== undefined && { by: author }),
    }
  },
  'sd:v1:lock:state': ({ lock, key, state }) => ({
    kind: 'lock',
    severity: state === 'lost' ? 'critical' : 'info',
    text: `lock ${key} of ${lock}: ${state}`,
  }),
  'sd:v1:alert:state': ({ rule, severity, labels, state }) => {
    const { service } = labels
    const about = Object.entries(labels).map(([name, value]) => `${name}=${value}`)
    return {
      kind: 'alert',
      severity: state === 'firing' ? severity : 'info',
      text: `alert ${rule}${about.length > 0 ? ` (${about.join(', ')})` : ''} is ${state}`,
      ...(service !== undefined && { service }),
    }
  },
  'sd:v1:gateway:reload': ({ gateway, version, error }) => ({
    kind: 'gateway',
    severity: error ? 'warning' : 'info',
    text: error ? `${gateway} rejected a table${because(error)}` : `${gateway} has version ${version} of its table`,
  }),
}

/** Writes changes that components publish into the journal. */
export function watchTelemetry(journal: EventJournal): EventWatch {
  const changed = new Map<string, InstanceChanges>()
  const ends = (Object.keys(describers) as TelemetryChannel[]).map((name) =>
    subscribeTelemetry(name, (event) => journal.add((describers[name] as (event: unknown) => NewEvent)(event))),
  )
  ends.push(
    subscribeTelemetry('sd:v1:discovery:update', ({ service, change: { added, updated, removed } }) => {
      const sum = changed.get(service) ?? { added: 0, updated: 0, removed: 0 }
      sum.added += added.length
      sum.updated += updated.length
      sum.removed += removed.length
      if (changed.size < maxServices) changed.set(service, sum)
    }),
  )
  return {
    tick() {
      for (const [service, { added, updated, removed }] of changed) {
        if (added + updated + removed === 0) continue
        const text = `${service}: ${added} added, ${removed} removed, ${updated} changed`
        journal.add({ kind: 'instances', service, severity: 'info', text })
      }
      changed.clear()
    },
    close: () => {
      for (const end of ends.splice(0)) end()
    },
  }
}

function because(error: { readonly message: string } | undefined): string {
  return error ? `: ${error.message}` : ''
}

function shorten(paths: readonly string[]): string {
  const shown = paths.slice(0, maxPaths).join(', ')
  return paths.length > maxPaths ? `${shown} and ${paths.length - maxPaths} more` : shown
}
