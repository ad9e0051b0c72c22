import { observeOperation } from '@sd/adapter-kit'
import { abortError, checkName, checkServiceName, closedError, createServiceInstance, type Registry, withTimeout } from '@sd/core'
import { capabilitiesOf } from './capabilities.ts'
import { createFeeds } from './feeds.ts'
import type { Member } from './member.ts'
import { createMemberPool } from './member-pool.ts'
import { createReads, pingMembers, removeOrphan } from './operations.ts'
import {
  type FailoverRegistryOptions,
  type FailoverSettings,
  resolveFailoverRegistryOptions,
  resolveFailoverSettings,
} from './options.ts'
import { createRegistrations } from './registrations.ts'
import type { FailoverStatus } from './status.ts'

/** Several registries combined into one {@link Registry}. */
export interface FailoverRegistry extends Registry {
  /** Returns the state of the members, and which of them are in use. */
  status(): FailoverStatus
  /**
   * Calls `listener` at every change of the status, until the returned function is called. An exception in it becomes a
   * warning.
   */
  onChange(listener: (status: FailoverStatus) => void): () => void
  /**
   * Changes settings at run time; omitted settings stay. A member is identified by its `registry`. Selects members
   * again, without hysteresis. Resolves once watches and registrations have moved, after at most four times
   * `operationTimeoutMs`. Members that were removed are then closed if `closeMembers` is true.
   *
   * @throws SdError `SD_INVALID` that names the option, and nothing changes. `SD_CLOSED`
   */
  reconfigure(changes: Partial<FailoverSettings>): Promise<void>
}

/**
 * Combines several registries into one: with failover by priority, or with all of them in use for a migration.
 *
 * @throws SdError `SD_INVALID` that names the option
 */
export function createFailoverRegistry(options: FailoverRegistryOptions): FailoverRegistry {
  const { name, closeMembers, ...initial } = resolveFailoverRegistryOptions(options)
  const pool = createMemberPool(name, initial)
  const registrations = createRegistrations(name, pool)
  const feeds = createFeeds(name, pool)
  let { name: _, closeMembers: __, ...given } = options
  let reconfiguring: Promise<void> = Promise.resolve()
  let closing: Promise<void> | undefined

  function observe<T>(operation: string, signal: AbortSignal | undefined, run: () => Promise<T>, service?: string): Promise<T> {
    return observeOperation({ backend: name, operation, ...(service !== undefined && { service }) }, () => {
      if (closing) throw closedError(name)
      if (signal?.aborted) throw abortError(signal, name)
      return run()
    })
  }

  /** Waits for an operation that may fail, within the time limit. */
  async function settle(run: () => Promise<unknown>): Promise<void> {
    await withTimeout({ timeoutMs: pool.settings.operationTimeoutMs, what: name }, async () => run()).catch(() => undefined)
  }

  async function closeAll(members: readonly Member[]): Promise<void> {
    if (!closeMembers) return
    await Promise.all(members.map(({ settings: { source } }) => settle(() => source.close())))
  }

  async function move(changes: Partial<FailoverSettings>): Promise<void> {
    if (closing) throw closedError(name)
    const next = { ...given, ...changes }
    const settings = resolveFailoverSettings(next)
    given = next
    const removed = pool.reconfigure(settings)
    await settle(() => pool.settled())
    await settle(() => Promise.all([registrations.moved(), feeds.moved()]))
    await settle(() => Promise.all(removed.map((member) => registrations.forget(member))))
    await closeAll(removed)
  }

  async function close(): Promise<void> {
    pool.close()
    await Promise.all([feeds.close(), registrations.close(), reconfiguring])
    await closeAll(pool.members)
  }

  return {
    name,
    get capabilities() {
      return capabilitiesOf(pool.members)
    },
    get state() {
      return pool.state
    },
    status: () => pool.status(),
    onChange: (listener) => pool.onChange(listener),
    reconfigure(changes) {
      const turn = reconfiguring.then(() => move(changes))
      reconfiguring = turn.catch(() => undefined)
      return turn
    },
    register: async (spec, registerOptions = {}) => {
      const instance = createServiceInstance(spec)
      const run = () => registrations.register(instance, registerOptions)
      return observe('register', registerOptions.signal, run, instance.service)
    },
    deregister: async (service, instanceId, { signal } = {}) => {
      checkServiceName('service', service)
      checkName('instanceId', instanceId)
      return observe('deregister', signal, () => removeOrphan(name, pool, { service, instanceId, signal }), service)
    },
    ...createReads(name, pool, observe),
    hasLeft: (service, instanceId) =>
      pool.members.some(({ settings: { source } }) => source.hasLeft?.(service, instanceId) === true),
    watch: (service, watchOptions) => feeds.snapshots.watch(checkServiceName('service', service), watchOptions),
    watchServices: (watchOptions) => feeds.serviceNames.watch('services', watchOptions),
    watchAll: (watchOptions) => feeds.everything.watch('all services', watchOptions),
    ping: async ({ signal } = {}) => observe('ping', signal, () => pingMembers(name, pool, signal)),
    close() {
      closing ??= close()
      return closing
    },
    [Symbol.asyncDispose]() {
      return this.close()
    },
  }
}
