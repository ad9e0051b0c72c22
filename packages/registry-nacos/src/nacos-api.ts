import type { NacosInstance, NacosInstanceKey } from './instance-codec.ts'

/** One of Nacos' two HTTP APIs. Service names are those of Nacos, without the group. All methods throw `SdError`. */
export interface NacosApi {
  /** Creates or replaces an instance. Nacos identifies it by ip, port and cluster. */
  register(service: string, instance: NacosInstance, signal: AbortSignal): Promise<void>
  /** Sends a heartbeat. @returns `lost` if the server does not know the instance and did not restore it */
  beat(service: string, instance: NacosInstance, signal: AbortSignal): Promise<'renewed' | 'lost'>
  /** Removes an instance. Resolves if it does not exist. */
  deregister(service: string, instance: NacosInstanceKey, signal: AbortSignal): Promise<void>
  /** Returns the entries of a service, unchecked. */
  list(service: string, signal: AbortSignal): Promise<readonly unknown[]>
  /** Returns the names of services, with or without their group. Absent if the API has no list. */
  listServices?(signal: AbortSignal): Promise<readonly string[]>
  /** Checks that the server responds. */
  ping(signal: AbortSignal): Promise<void>
}
