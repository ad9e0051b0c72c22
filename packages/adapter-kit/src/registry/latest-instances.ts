import { publishTelemetry, SdError, type ServiceInstance } from '@sd/core'

/**
 * Returns one instance per id, for backends that may list an id more than once: on two agents after a move, at two
 * addresses, in two slices. The most recently updated one is used; if they are equally recent, the last one listed. An
 * omitted instance with another address is published as a failed operation `decode`, because two processes may use the
 * same id.
 */
export function keepLatest(registry: string, service: string, instances: Iterable<ServiceInstance>): readonly ServiceInstance[] {
  const byId = new Map<string, ServiceInstance>()
  for (const instance of instances) {
    const before = byId.get(instance.id)
    const isOlder = before !== undefined && before.updatedAt > instance.updatedAt
    if (!isOlder) byId.set(instance.id, instance)
    if (before) reportDuplicate(registry, service, isOlder ? instance : before, isOlder ? before : instance)
  }
  return [...byId.values()]
}

/**
 * Publishes a failed operation `decode` for an instance that is omitted in favour of another one with its id, unless both
 * have the same address.
 */
export function reportDuplicate(registry: string, service: string, left: ServiceInstance, kept: ServiceInstance): void {
  if (left.address === kept.address && left.port === kept.port) return
  const places = `${left.address}:${left.port} is ignored in favour of ${kept.address}:${kept.port}`
  const error = new SdError('SD_CONFLICT', `${registry} lists instance ${kept.id} of ${service} twice: ${places}`)
  publishTelemetry('sd:v1:backend:operation', { backend: registry, operation: 'decode', service, durationMs: 0, error })
}
