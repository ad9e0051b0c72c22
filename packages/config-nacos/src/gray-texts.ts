import { isMissing, type NacosConnection } from '@sd/connection-nacos'
import type { Place, ResolvedNacosConfigSourceOptions } from './options.ts'

/** Removes a gray text. gRPC has no request for it, so it is the admin API of Nacos 3, or v1 of an official server. */
export async function removeGray(
  connection: NacosConnection,
  { namespace }: ResolvedNacosConfigSourceOptions,
  { dataId, group }: Place,
  signal: AbortSignal,
): Promise<void> {
  const current = { namespaceId: namespace, groupName: group, dataId }
  try {
    await connection.send({ method: 'DELETE', path: '/nacos/v3/admin/cs/config/beta', params: current }, signal)
  } catch (error) {
    if (!isMissing(error)) throw error
    const params = { tenant: namespace === 'public' ? '' : namespace, group, dataId, beta: 'true' }
    await connection.send({ method: 'DELETE', path: '/nacos/v1/cs/configs', params }, signal)
  }
}
