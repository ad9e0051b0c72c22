import type { SdError } from '@sd/core'
import type { NacosInstance, NacosInstanceKey } from './instance-codec.ts'

/** One of Nacos' APIs. Service names are those of Nacos, without the group. All methods throw `SdError`. */
export interface NacosApi {
  /** Creates or replaces an instance. Nacos identifies it by ip, port and cluster. */
  register(service: string, instance: NacosInstance, signal: AbortSignal): Promise<void>
  /** Like `register`, without a check of what the server has kept. Absent if `register` does not check it. */
  write?(service: string, instance: NacosInstance, signal: AbortSignal): Promise<void>
  /** Sends a heartbeat. @returns `lost` if the server does not know the instance and did not restore it */
  beat(service: string, instance: NacosInstance, signal: AbortSignal): Promise<'renewed' | 'lost'>
  /** Removes an instance. Resolves if it does not exist. */
  deregister(service: string, instance: NacosInstanceKey, signal: AbortSignal): Promise<void>
  /** Returns the entries of a service, unchecked. */
  list(service: string, signal: AbortSignal): Promise<readonly unknown[]>
  /** Returns the names of services, with or without their group. Absent if the API has no list. */
  listServices?(signal: AbortSignal): Promise<readonly string[]>
  /** Returns the names of services that have instances; `undefined` if the server has no such list. Absent if the API has none. */
  listCatalog?(signal: AbortSignal): Promise<readonly string[] | undefined>
  /** Checks that the server responds. */
  ping(signal: AbortSignal): Promise<void>
  /**
   * Calls `onHosts` with the entries of a service now and after each change, until the signal aborts. Absent if the API
   * has no push. `onHosts` may throw. @throws SdError also when the connection is lost
   */
  follow?(service: string, onHosts: (hosts: readonly unknown[]) => void, signal: AbortSignal): Promise<void>
  /** Calls `onChange` when services may have been added or removed. @returns `undefined` if the server does not report that */
  followServices?(onChange: () => void, signal: AbortSignal): Promise<ServiceReports | undefined>
  /** Calls the listener when the server has lost what was registered. Absent if heartbeats find out. @returns a function that ends it */
  onLost?(listener: (error: SdError) => void): () => void
}

/** Reports of new and removed services. */
export interface ServiceReports {
  /** Resolves when the signal aborts. Rejects when the connection is lost. */
  readonly ended: Promise<void>
}
