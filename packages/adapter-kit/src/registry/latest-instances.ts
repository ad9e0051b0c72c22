import { publishTelemetry, SdError, type ServiceInstance } from '@sd/core'

/**
 * One instance per id, for backends that may list an id more than once: on two agents after a move, at two addresses, in two slices. The
 * one that was updated last is in effect, of equals the last one listed. One that is left out and has another address is published as a
 * failed operation `decode`: two processes may use one id.
 */
export function keepLatest(registry: string, service: string, instances: Iterable<ServiceInstance>): readonly ServiceInstance[] {
  const byId = new Map<string, ServiceInstance>()
  for (const instance of instances) {
    const before = byId.get(instance.id)
    const isOlder = before !== undefined && before.updatedAt > instance.updatedAt
    if (!isOlder) byId.set(instance.id, instance)
    if (before) tellLeftOut(registry, service, isOlder ? instance : before, isOlder ? before : instance)
  }
  return [...byId.values()]
}

/** Tells of an instance that is left out for another one of its id, unless both have the same address; as a failed operation `decode`. */
export function tellLeftOut(registry: string, service: string, left: ServiceInstance, kept: ServiceInstance): void {
  if (left.address === kept.address && left.port === kept.port) return
  const places = `${left.address}:${left.port} is left out for ${kept.address}:${kept.port}`
  const error = new SdError('SD_CONFLICT', `${registry} lists instance ${kept.id} of ${service} twice: ${places}`)
  publishTelemetry('sd:v1:backend:operation', { backend: registry, operation: 'decode', service, durationMs: 0, error })
}
