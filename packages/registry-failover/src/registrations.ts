import { createKeyedQueue, type KeyedQueue } from '@sd/adapter-kit'
import {
  checkDuration,
  checkOneOf,
  closedError,
  type RegisterOptions,
  type Registration,
  type Registry,
  type ServiceInstance,
  settlesWithin,
} from '@sd/core'
import { FailoverRegistration } from './failover-registration.ts'
import type { Member } from './member.ts'
import type { MemberPool } from './member-pool.ts'

/** All registrations of a failover registry. */
export interface Registrations {
  /** See `Registrar.register`. */
  register(instance: ServiceInstance, options: RegisterOptions): Promise<Registration>
  /** Resolves once every registration is on its current members. */
  moved(): Promise<void>
  /** Removes every registration from a member. Never rejects. */
  forget(member: Member): Promise<void>
  /**
   * Deregisters all instances, waits for removals in progress, and refuses new registrations. Limited in time. Never
   * rejects.
   */
  close(): Promise<void>
}

/** Keeps at most one registration per service and id, and moves them when other members are written. */
export function createRegistrations(name: string, pool: MemberPool): Registrations {
  const kept = new Map<string, FailoverRegistration>()
  /** Writes to each member, in the order of the calls for each instance. */
  const queues = new Map<Registry, KeyedQueue>()
  let closed = false

  function queueOf(registry: Registry): KeyedQueue {
    const queue = queues.get(registry) ?? createKeyedQueue()
    queues.set(registry, queue)
    return queue
  }

  pool.onMove(() => {
    for (const registration of kept.values()) registration.reconcile()
  })

  return {
    async register(instance, options) {
      const timeoutMs = checkDuration('timeoutMs', options.timeoutMs ?? pool.settings.operationTimeoutMs * 2, 1)
      const whenUnavailable = checkOneOf('whenUnavailable', options.whenUnavailable ?? 'reject', ['reject', 'recover'])
      if (closed) throw closedError(name)
      const key = JSON.stringify([instance.service, instance.id])
      const registration = new FailoverRegistration(instance, {
        registry: name,
        settings: () => pool.settings,
        targets: () => pool.writing,
        settled: () => pool.settled(),
        inTurn: (registry, operation) => queueOf(registry).run(key, operation),
        onClosed: () => {
          if (kept.get(key) === registration) kept.delete(key)
        },
      })
      // Before anything is awaited: the last call wins.
      kept.get(key)?.supersede()
      kept.set(key, registration)
      await registration.start({ timeoutMs, whenUnavailable, signal: options.signal })
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
      for (const registration of [...kept.values()]) void registration.deregister()
      const idle = Promise.all(Array.from(queues.values(), (queue) => queue.idle()))
      await settlesWithin(idle, pool.settings.operationTimeoutMs)
    },
  }
}
