import {
  checkName,
  checkServiceName,
  type OperationOptions,
  type Registry,
  SdError,
  type ServiceInstance,
  withTimeout,
} from '@sd/core'
import { checkListable } from './capabilities.ts'
import type { MemberPool } from './member-pool.ts'
import { createSnapshotMerger, type Merger, namesMerger } from './merge.ts'
import { queryEach, readMerged } from './reading.ts'

/** Runs an operation, and publishes its outcome. */
export type Observe = <T>(
  operation: string,
  signal: AbortSignal | undefined,
  run: () => Promise<T>,
  service?: string,
) => Promise<T>

/** An instance to remove, possibly of another process. */
export interface Orphan {
  /** Its service. */
  readonly service: string
  /** Its id. */
  readonly instanceId: string
  /** The caller's signal. */
  readonly signal: AbortSignal | undefined
}

/** Operations that read from the members and merge the results. */
export function createReads(
  name: string,
  pool: MemberPool,
  observe: Observe,
): Pick<Registry, 'getInstances' | 'getInstance' | 'listServices'> {
  return {
    getInstances: async (service, { signal } = {}) => {
      checkServiceName('service', service)
      return observe('getInstances', signal, () =>
        readMerged(pool, createSnapshotMerger(service, name), {
          what: 'getInstances',
          signal,
          ask: (source, limit) => source.getInstances(service, { signal: limit }),
        }),
      )
    },
    getInstance: async (service, instanceId, { signal } = {}) => {
      checkServiceName('service', service)
      checkName('instanceId', instanceId)
      const found = await observe('getInstance', signal, () =>
        readMerged(pool, instanceMerger, {
          what: 'getInstance',
          signal,
          ask: async (source, limit) => ({ instance: await source.getInstance(service, instanceId, { signal: limit }) }),
        }),
      )
      return found.instance
    },
    listServices: async ({ signal } = {}) =>
      observe('listServices', signal, async () => {
        checkListable(name, pool.members)
        return readMerged(pool, namesMerger, {
          what: 'listServices',
          signal,
          ask: (source, limit) => source.listServices({ signal: limit }),
        })
      }),
  }
}

/** Removes an instance from the members that are written, also one of another process. @throws SdError */
export async function removeOrphan(name: string, pool: MemberPool, { service, instanceId, signal }: Orphan): Promise<void> {
  const writable = pool.members.filter(({ settings }) => settings.registry)
  if (writable.length === 0) throw new SdError('SD_UNSUPPORTED', `${name} has no member for writes`)
  const parts = await queryEach(pool, writable, {
    what: 'deregister',
    signal,
    ask: async ({ settings: { registry } }, limit) => registry?.deregister(service, instanceId, { signal: limit }),
  })
  const failed = parts.filter(({ error }) => error)
  if (failed.length > 0 && (pool.settings.requireAll || failed.length === parts.length)) throw failed[0]?.error
}

/** Pings all members that are read. @throws SdError if none is reachable */
export async function pingMembers(name: string, pool: MemberPool, signal: OperationOptions['signal']): Promise<void> {
  const { operationTimeoutMs: timeoutMs } = pool.settings
  await withTimeout({ timeoutMs, what: 'ping', signal }, async () => {
    await pool.settled()
    await Promise.all(pool.reading.map((member) => member.probe()))
  })
  if (pool.state === 'disconnected') throw pool.error ?? new SdError('SD_UNAVAILABLE', `${name}: no member responds`)
}

const instanceMerger: Merger<{ readonly instance: ServiceInstance | undefined }> = {
  merge: (values) => values.find(({ instance }) => instance) ?? { instance: undefined },
  isEmpty: ({ instance }) => instance === undefined,
}
