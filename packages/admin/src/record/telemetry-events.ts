import { subscribeTelemetry, type TelemetryChannel, type TelemetryEvents } from '@sd/core'
import type { EventJournal } from './event-journal.ts'

/** Services whose changes of instances are summed up within a second. */
const maxServices = 1_000

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

/** Writes changes that components publish into the journal. None is published once per call. */
export function watchTelemetry(journal: EventJournal): EventWatch {
  const ends: (() => void)[] = []
  const changed = new Map<string, InstanceChanges>()
  function listen<Name extends TelemetryChannel>(name: Name, listener: (event: TelemetryEvents[Name]) => void): void {
    ends.push(subscribeTelemetry(name, listener))
  }

  listen('sd:v1:backend:state', ({ backend, state, error }) =>
    journal.add({
      kind: 'backend',
      severity: state === 'disconnected' ? 'critical' : 'info',
      text: `${backend} is ${state}${because(error)}`,
    }),
  )
  listen('sd:v1:registration:state', ({ registry, service, instanceId, state, error }) =>
    journal.add({
      kind: 'registration',
      service,
      instanceId,
      severity: state === 'failed' ? 'critical' : state === 'recovering' ? 'warning' : 'info',
      text: `the registration of ${instanceId} in ${registry} is ${state}${because(error)}`,
    }),
  )
  listen('sd:v1:discovery:update', ({ service, change: { added, updated, removed } }) => {
    const sum = changed.get(service) ?? { added: 0, updated: 0, removed: 0 }
    sum.added += added.length
    sum.updated += updated.length
    sum.removed += removed.length
    if (changed.size < maxServices) changed.set(service, sum)
  })
  listen('sd:v1:breaker:state', ({ breaker, state, previous, reason }) =>
    journal.add({
      kind: 'breaker',
      severity: state === 'open' || state === 'isolated' ? 'critical' : state === 'half-open' ? 'warning' : 'info',
      text: `breaker ${breaker}: ${previous} → ${state} (${reason})`,
    }),
  )
  listen('sd:v1:endpoint:ejection', ({ service, instanceId, monitor, ejection }) =>
    journal.add({
      kind: 'ejection',
      service,
      instanceId,
      severity: ejection ? 'warning' : 'info',
      text: `${monitor} ${ejection ? 'ejected' : 'restored'} ${instanceId}`,
    }),
  )
  listen('sd:v1:cluster:panic', ({ service, isPanic, healthyShare }) =>
    journal.add({
      kind: 'panic',
      service,
      severity: isPanic ? 'critical' : 'info',
      text: isPanic
        ? `only ${Math.round(healthyShare * 100)} % of the endpoints of ${service} are healthy: all are used`
        : `enough endpoints of ${service} are healthy again`,
    }),
  )
  listen('sd:v1:config:update', ({ config, version, changed: paths, error }) =>
    journal.add({
      kind: 'config',
      severity: error ? 'warning' : 'info',
      text: error ? `${config} rejected an update${because(error)}` : `${config} has version ${version}: ${shorten(paths)}`,
    }),
  )
  listen('sd:v1:config:write', ({ source, key, change, version, of, author, comment }) => {
    const what = of === undefined ? change : `${change} to version ${of}`
    journal.add({
      kind: 'config-write',
      severity: 'info',
      text: `${key} of ${source}: ${what}${version === undefined ? '' : `, now version ${version}`}${comment ? ` (${comment})` : ''}`,
      ...(author !== undefined && { by: author }),
    })
  })
  listen('sd:v1:lock:state', ({ lock, key, state }) =>
    journal.add({ kind: 'lock', severity: state === 'lost' ? 'critical' : 'info', text: `lock ${key} of ${lock}: ${state}` }),
  )
  listen('sd:v1:alert:state', ({ rule, severity, labels, state }) => {
    const { service } = labels
    const about = Object.entries(labels).map(([name, value]) => `${name}=${value}`)
    journal.add({
      kind: 'alert',
      severity: state === 'firing' ? severity : 'info',
      text: `alert ${rule}${about.length > 0 ? ` (${about.join(', ')})` : ''} is ${state}`,
      ...(service !== undefined && { service }),
    })
  })
  listen('sd:v1:gateway:reload', ({ gateway, version, error }) =>
    journal.add({
      kind: 'gateway',
      severity: error ? 'warning' : 'info',
      text: error ? `${gateway} rejected a table${because(error)}` : `${gateway} has version ${version} of its table`,
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
  const shown = paths.slice(0, 5).join(', ')
  return paths.length > 5 ? `${shown} and ${paths.length - 5} more` : shown
}
