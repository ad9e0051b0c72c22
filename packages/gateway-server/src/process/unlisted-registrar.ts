import { createServiceInstance, type InstanceSpec, type Registrar, type Registration } from '@sd/core'

/**
 * A registrar for a gateway that no registry lists. A lifecycle needs one: it keeps the time between the moment at which probes
 * report that it is not ready and the moment at which it accepts no more connections.
 */
export function createUnlistedRegistrar(): Registrar {
  const nothing = async (): Promise<void> => undefined
  async function register(spec: InstanceSpec): Promise<Registration> {
    const registration: Registration = {
      instance: createServiceInstance(spec),
      state: 'active',
      update: nothing,
      deregister: nothing,
      onStateChange: () => () => undefined,
      [Symbol.asyncDispose]: nothing,
    }
    return registration
  }
  return { register }
}
