import {
  checkDuration,
  checkOneOf,
  closedError,
  type RegisterOptions,
  type Registration,
  type ServiceInstance,
  withTimeout,
} from '@sd/core'
import { FailoverRegistration } from './failover-registration.ts'
import type { Member } from './member.ts'
import type { MemberPool } from './member-pool.ts'

/** All registrations of a failover registry. */
export interface Registrations {
  /** See `Registrar.register`. */
  register(instance: ServiceInstance, options: RegisterOptions): Promise<Registration>
  /** Resolves once every registration is where it should be now. */
  moved(): Promise<void>
  /** Takes every registration off a member. Never rejects. */
  forget(member: Member): Promise<void>
  /** Deregisters everything and refuses what comes later. Never rejects. */
  close(): Promise<void>
}

/** Holds at most one registration per service and id, and moves them when other members are written. */
export function createRegistrations(name: string, pool: MemberPool): Registrations {
  const kept = new Map<string, FailoverRegistration>()
  let closed = false
  pool.onMove(() => {
    for (const registration of kept.values()) registration.reconcile()
  })

  return {
    async register(instance, options) {
      const timeoutMs = checkDuration('timeoutMs', options.timeoutMs ?? 10_000, 1)
      const whenUnavailable = checkOneOf('whenUnavailable', options.whenUnavailable ?? 'reject', ['reject', 'recover'])
      const { signal } = options
      const endAt = performance.now() + timeoutMs
      const what = `registering ${instance.service}`
      if (pool.writing.length === 0) await withTimeout({ timeoutMs, what, signal }, () => pool.settled())
      if (closed) throw closedError(name)
      const key = JSON.stringify([instance.service, instance.id])
      const registration = new FailoverRegistration(instance, {
        registry: name,
        settings: () => pool.settings,
        targets: () => pool.writing,
        onClosed: () => {
          if (kept.get(key) === registration) kept.delete(key)
        },
      })
      kept.get(key)?.supersede()
      kept.set(key, registration)
      await registration.start({ timeoutMs: Math.max(1, endAt - performance.now()), whenUnavailable, signal })
      return registration
    },
    async moved() {
      await Promise.all(Array.from(kept.values(), (registration) => registration.moved()))
    },
    async forget(member) {
      await Promise.allSettled(Array.from(kept.values(), (registration) => registration.forget(member)))
    },
    async close() {
      closed = true
      await Promise.allSettled(Array.from(kept.values(), (registration) => registration.deregister()))
    },
  }
}
