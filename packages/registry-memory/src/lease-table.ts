import type { ServiceInstance } from '@sd/core'

export interface Lease {
  readonly instance: ServiceInstance
  readonly incarnation: string
  renewedAt: number
}

/** State of one service in the store. */
export interface ServiceRecord {
  readonly leases: Map<string, Lease>
  readonly listeners: Set<() => void>
  revision: number
}

/** Leases by service, and the listeners for their changes. */
export class LeaseTable {
  /** The services that have instances or listeners. */
  readonly services: Map<string, ServiceRecord> = new Map()
  /** Called when a service appears or disappears. */
  readonly servicesListeners: Set<() => void> = new Set()
  /** Called with every service that changes. */
  readonly anyListeners: Set<(service: string) => void> = new Set()
  /** Increases with every change. */
  revision = 0

  /** Number of all leases, and of those that were renewed within half of their time to live. */
  count(now: number): { readonly total: number; readonly punctual: number } {
    let total = 0
    let punctual = 0
    for (const { leases } of this.services.values()) {
      for (const lease of leases.values()) {
        total++
        if (now - lease.renewedAt <= lifetimeOf(lease) / 2) punctual++
      }
    }
    return { total, punctual }
  }

  /** Returns the record of a service; creates it if necessary. */
  recordOf(service: string): ServiceRecord {
    const found = this.services.get(service)
    if (found) return found
    const made: ServiceRecord = { leases: new Map(), listeners: new Set(), revision: this.revision }
    this.services.set(service, made)
    return made
  }

  /** Reports a change of a service. @param hadLeases whether it had instances before */
  touch(service: string, record: ServiceRecord, hadLeases: boolean): void {
    record.revision = ++this.revision
    for (const notify of [...record.listeners]) notify()
    for (const notify of [...this.anyListeners]) notify(service)
    if (hadLeases === record.leases.size > 0) return
    for (const notify of [...this.servicesListeners]) notify()
  }

  /** Removes the record of a service that has neither instances nor listeners. */
  forgetIfUnused(service: string, record: ServiceRecord): void {
    if (record.leases.size === 0 && record.listeners.size === 0) this.services.delete(service)
  }

  /** Removes instances of a service. */
  drop(service: string, record: ServiceRecord, instanceIds: readonly string[]): void {
    for (const id of instanceIds) record.leases.delete(id)
    this.touch(service, record, true)
    this.forgetIfUnused(service, record)
  }

  /** Removes instances that were not renewed in time. */
  expire(now: number): void {
    for (const [service, record] of this.services) {
      const expired: string[] = []
      for (const [id, lease] of record.leases) if (now - lease.renewedAt > lifetimeOf(lease)) expired.push(id)
      if (expired.length > 0) this.drop(service, record, expired)
    }
  }
}

function lifetimeOf(lease: Lease): number {
  return lease.instance.ttlMs ?? Number.POSITIVE_INFINITY
}
