import { inquire } from '@sd/core'
import type { EventJournal, NewEvent } from './event-journal.ts'

/** Maximum number of alerts, locks and lifecycles that are compared. */
const maxItems = 1_000

/** Something with a state, and the event when it enters that state. */
interface Item {
  readonly key: string
  readonly state: string
  readonly event: NewEvent
  /** The event when it is no longer there. */
  readonly ended?: NewEvent
}

/**
 * Compares the alerts, locks and lifecycles of this process with those of a second ago: they publish no events. Changes
 * within the second are not seen.
 */
export class AnswerWatch {
  readonly #journal: EventJournal
  #before: ReadonlyMap<string, Item> = new Map()

  constructor(journal: EventJournal) {
    this.#journal = journal
  }

  /** A second has passed. */
  tick(): void {
    const items = [...readAlerts(), ...readLocks(), ...readLifecycles()].slice(0, maxItems)
    const now = new Map(items.map((item) => [item.key, item]))
    for (const { key, state, event } of now.values()) if (this.#before.get(key)?.state !== state) this.#journal.add(event)
    for (const { key, ended } of this.#before.values()) if (ended && !now.has(key)) this.#journal.add(ended)
    this.#before = now
  }
}

function readAlerts(): readonly Item[] {
  return inquire('alerts').flatMap(({ alerts }) =>
    alerts.map(({ id, rule, state, severity, labels }) => {
      const about = Object.entries(labels).map(([name, value]) => `${name}=${value}`)
      const name = about.length > 0 ? `${rule} (${about.join(', ')})` : rule
      const worst = severity === 'critical' ? 'critical' : 'warning'
      const base = { kind: 'alert', ...(labels['service'] !== undefined && { service: labels['service'] }) } as const
      return {
        key: `alert ${id}`,
        state,
        event: { ...base, severity: state === 'firing' ? worst : 'info', text: `alert ${name} is ${state}` },
        ended: { ...base, severity: 'info', text: `alert ${name} has ended` },
      }
    }),
  )
}

function readLocks(): readonly Item[] {
  return inquire('locks').map(({ lock, key, token }) => ({
    key: `lock ${lock} ${key}`,
    state: token,
    event: { kind: 'lock', severity: 'info', text: `holds ${key} of ${lock}` },
    ended: { kind: 'lock', severity: 'info', text: `no longer holds ${key} of ${lock}` },
  }))
}

function readLifecycles(): readonly Item[] {
  return inquire('lifecycle').map(({ state, registration }, index) => ({
    key: `lifecycle ${index}`,
    state,
    event: {
      kind: 'lifecycle',
      severity: 'info',
      text: `the server is ${state}`,
      ...(registration && { service: registration.service, instanceId: registration.instanceId }),
    },
  }))
}
