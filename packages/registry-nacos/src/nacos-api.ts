import type { NacosInstance, NacosInstanceKey } from './instance-codec.ts'

/** One of Nacos' two HTTP APIs. Service names are those of Nacos, without the group. Everything throws `SdError`. */
export interface NacosApi {
  /** Creates or replaces an instance. Nacos knows it by ip, port and cluster. */
  register(service: string, instance: NacosInstance, signal: AbortSignal): Promise<void>
  /** Sends a heartbeat. @returns `lost` if the server does not know the instance and did not take it back by itself */
  beat(service: string, instance: NacosInstance, signal: AbortSignal): Promise<'renewed' | 'lost'>
  /** Removes an instance; a missing one is no error. */
  deregister(service: string, instance: NacosInstanceKey, signal: AbortSignal): Promise<void>
  /** Everything that is listed of a service, as it came. */
  list(service: string, signal: AbortSignal): Promise<readonly unknown[]>
  /** Names of services, with or without their group; absent where the API has no list. */
  listServices?(signal: AbortSignal): Promise<readonly string[]>
  /** Asks for a sign of life. */
  ping(signal: AbortSignal): Promise<void>
}
