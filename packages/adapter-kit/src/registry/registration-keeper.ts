import {
  type BackoffOptions,
  checkDuration,
  checkOneOf,
  closedError,
  createSemaphore,
  type RegisterOptions,
  type Registration,
  reportStates,
  type SdError,
  type ServiceInstance,
} from '@sd/core'
import { KeptRegistration, type RegistrationSlot, type RegistrationTraffic } from './kept-registration.ts'
import { createKeyedQueue } from './keyed-queue.ts'
import type { RegistrationDriver } from './registration-driver.ts'

/** Options of {@link createRegistrationKeeper}. */
export interface RegistrationKeeperOptions {
  /** Name of the registry, for messages and telemetry. */
  readonly registry: string
  /** The backend. */
  readonly driver: RegistrationDriver
  /** Time between renewals of an instance, in milliseconds; spread by ± 10 %. */
  readonly renewIntervalMs: (instance: ServiceInstance) => number
  /** Limit of one backend operation, in milliseconds. @default 5_000 */
  readonly operationTimeoutMs?: number
  /** Delays between attempts to register again. @default 200 ms to 5 s */
  readonly backoff?: BackoffOptions
  /** Refuses an instance that the backend can't hold, before anything is sent. */
  readonly check?: ((instance: ServiceInstance) => void) | undefined
  /** Told how each contact with the backend ended: with an error, or without. */
  readonly onContact?: (error: SdError | undefined) => void
}

/** Keeps the registrations of one registry alive. */
export interface RegistrationKeeper {
  /** See `Registrar.register`. */
  register(instance: ServiceInstance, options?: RegisterOptions): Promise<Registration>
  /** Makes every active registration register again at once: for adapters that learn of a lost session. */
  recover(error: SdError): void
  /** Deregisters everything, each within the operation limit, and refuses what comes later. Idempotent; never rejects. */
  close(): Promise<void>
}

/** Most operations under way at once: more than connections to any backend, few enough for the limit of each. */
const maxOperations = 64

/**
 * The one implementation of `Registration`: desired state, heartbeats, recovery with jittered backoff. After any failed contact the
 * instance is put again rather than renewed, which heals every kind of loss. Operations on one service and id run in the order of the
 * calls, across registrations too, so that the last of several wins on the backend as well.
 */
export function createRegistrationKeeper(options: RegistrationKeeperOptions): RegistrationKeeper {
  const { registry, driver } = options
  const operationTimeoutMs = checkDuration('operationTimeoutMs', options.operationTimeoutMs ?? 5_000, 1)
  const slots = new Map<string, RegistrationSlot>()
  const queue = createKeyedQueue()
  const traffic: RegistrationTraffic = { places: createSemaphore(maxOperations), lastSuccessAt: Number.NEGATIVE_INFINITY }
  let closing: Promise<void> | undefined

  function* kept(): Generator<KeptRegistration> {
    for (const { current } of slots.values()) if (current) yield current
  }

  const endReports = reportStates(function* () {
    for (const { instance, state } of kept()) {
      const { service, id: instanceId } = instance
      yield { kind: 'registration', registry, service, instanceId, state }
    }
  })

  function slotOf(key: string): RegistrationSlot {
    const known = slots.get(key)
    if (known) return known
    const slot: RegistrationSlot = { key, current: undefined, written: new Map(), strayUntil: 0 }
    slots.set(key, slot)
    return slot
  }

  async function close(): Promise<void> {
    for (const registration of [...kept()]) void registration.deregister()
    // Removals that were asked for before are waited for as well, those of failed registrations included.
    await queue.idle()
    endReports()
  }

  return {
    async register(instance, registerOptions = {}) {
      if (closing) throw closedError(registry)
      const timeoutMs = checkDuration('timeoutMs', registerOptions.timeoutMs ?? operationTimeoutMs, 1)
      const whenUnavailable = checkOneOf('whenUnavailable', registerOptions.whenUnavailable ?? 'reject', ['reject', 'recover'])
      const slot = slotOf(JSON.stringify([instance.service, instance.id]))
      const registration = new KeptRegistration(instance, {
        registry,
        driver,
        queue,
        traffic,
        slot,
        operationTimeoutMs,
        renewIntervalMs: options.renewIntervalMs,
        backoff: { maxMs: 5_000, ...options.backoff },
        check: options.check,
        onContact: options.onContact,
        onRemoved: () => {
          if (slot.current === undefined && slots.get(slot.key) === slot) slots.delete(slot.key)
        },
      })
      slot.current?.supersede()
      slot.current = registration
      await registration.start({ timeoutMs, whenUnavailable, signal: registerOptions.signal })
      return registration
    },
    recover(error) {
      for (const registration of kept()) registration.recover(error)
    },
    close() {
      closing ??= close()
      return closing
    },
  }
}
