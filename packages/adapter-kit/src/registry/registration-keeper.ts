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
  toWireError,
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
  /** Returns the time between renewals of an instance, in milliseconds. It varies at random by ± 10 %. */
  readonly renewIntervalMs: (instance: ServiceInstance) => number
  /** Time limit of one backend operation, in milliseconds. @default 5_000 */
  readonly operationTimeoutMs?: number
  /** Delays between attempts to register again. @default 200 ms to 5 s */
  readonly backoff?: BackoffOptions
  /** Rejects an instance that the backend can't store, before a request is sent. @default accepts all */
  readonly check?: ((instance: ServiceInstance) => void) | undefined
  /** Called with the result of each contact with the backend: an error, or `undefined`. @default none */
  readonly onContact?: (error: SdError | undefined) => void
}

/** Keeps the registrations of one registry alive. */
export interface RegistrationKeeper {
  /** See `Registrar.register`. */
  register(instance: ServiceInstance, options?: RegisterOptions): Promise<Registration>
  /** Makes every active registration register again at once. For adapters that learn about a lost session. */
  recover(error: SdError): void
  /**
   * Deregisters everything, each instance within the time limit of an operation, and rejects later calls. Idempotent;
   * never rejects.
   */
  close(): Promise<void>
}

/** Maximum number of concurrent operations: more than the connections to any backend, few enough for the time limit of each. */
const maxOperations = 64

/**
 * Creates the implementation of `Registration`: desired state, heartbeats, recovery with jittered backoff. After a failed
 * contact the instance is registered again instead of renewed, which repairs every kind of loss. Operations on one
 * service and id run in the order of the calls, also across registrations, so that the last one wins in the backend too.
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
    for (const { instance, state, since, lastError } of kept()) {
      const { service, id: instanceId } = instance
      const error = lastError && { lastError: toWireError(lastError) }
      yield { kind: 'registration', registry, service, instanceId, state, since, ...error }
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
    // Waits for earlier removals too, including those of failed registrations.
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
