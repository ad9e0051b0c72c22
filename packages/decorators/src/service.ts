import type { Cluster } from '@sd/core'
import { checkName, invalidError, SdError } from '@sd/core'
import {
  callOperation,
  type Operation,
  type OperationOptions,
  operation,
  type ResponseKind,
  type ResponseOf,
  type Route,
} from '@sd/operations'
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { requireBinding } from './bind.ts'
import {
  createClassDecorator,
  createGetterDecorator,
  createMethodDecorator,
  type DualClassDecorator,
  type DualGetterDecorator,
  type DualMethodDecorator,
} from './decorator-kinds.ts'

const services = new WeakMap<object, string>()

/**
 * Names the service that the methods of a class call.
 *
 * @throws SdError `SD_INVALID` at the definition
 */
export function ServiceClient(service: string): DualClassDecorator {
  checkName('service', service)
  return createClassDecorator('ServiceClient', (target) => void services.set(target, service))
}

/** The service that a class with {@link ServiceClient} calls; `undefined` for another class. */
export function serviceOf(target: object): string | undefined {
  for (let at: object | null = target; at !== null; at = Object.getPrototypeOf(at)) {
    const service = services.get(at)
    if (service !== undefined) return service
  }
  return undefined
}

/**
 * Makes a method a call: its parameters are the values of the path, then the body if the method of the route has one, then options. Its own body
 * is never run; write `return sent()`.
 *
 * @throws SdError `SD_INVALID` at the definition for a wrong route; at a call for an object that was not bound
 */
export function ServiceCall<
  Response extends StandardSchemaV1 | ResponseKind = 'json',
  Body extends StandardSchemaV1 | undefined = undefined,
  Query extends StandardSchemaV1 | undefined = undefined,
>(
  route: Route,
  options?: OperationOptions<Response, Body, Query>,
): DualMethodDecorator<(...values: never[]) => Promise<Response extends StandardSchemaV1 ? ResponseOf<Response> : unknown>> {
  const made = operation(route, options) as unknown as Operation
  return createMethodDecorator('ServiceCall', ({ name, needsBinding }) => {
    needsBinding()
    // Not asynchronous itself: one promise less for each call.
    return function call(this: object, ...values: unknown[]): Promise<unknown> {
      try {
        const service = requireService(this, name)
        return callOperation(requireBinding(this, 'client', name), service, made, values)
      } catch (error) {
        return Promise.reject(error)
      }
    }
  })
}

/** @throws SdError `SD_INVALID` for an object whose class has no {@link ServiceClient} */
function requireService(object: object, member: string): string {
  const service = serviceOf(object.constructor)
  if (service !== undefined) return service
  const { name } = object.constructor
  throw invalidError(`${name}.${member}`, 'a class without @ServiceClient', '@ServiceClient("…") on the class')
}

/** The body of a method with {@link ServiceCall}. @throws SdError `SD_INVALID` if the decorator is missing */
export function sent(): never {
  throw new SdError(
    'SD_INVALID',
    'sent() is the body of a method with @ServiceCall: the decorator is missing, or its compiler setting',
  )
}

/** A getter whose value is the live cluster of a service, see `Discovery.cluster`. Its own body is never run. */
export function ServiceDiscovery(service: string): DualGetterDecorator<Cluster> {
  checkName('service', service)
  return createGetterDecorator('ServiceDiscovery', (object) =>
    requireBinding(object, 'discovery', `the cluster of ${service}`).cluster(service),
  )
}

/** What {@link ServiceRegistry} says of a class. */
export interface ServiceRegistryOptions {
  /** Name under which the instance is registered. */
  readonly service: string
  /** Its version. */
  readonly version?: string
  /** More of the instance. */
  readonly metadata?: Readonly<Record<string, string>>
  /** Its tags. */
  readonly tags?: readonly string[]
}

const registries = new WeakMap<object, ServiceRegistryOptions>()

/** Says of the root class of an application as what it is registered; `createApp` and the NestJS module read it with {@link registryOptionsOf}. */
export function ServiceRegistry(options: ServiceRegistryOptions): DualClassDecorator {
  checkName('service', options?.service)
  return createClassDecorator('ServiceRegistry', (target) => void registries.set(target, options))
}

/** The options of {@link ServiceRegistry}; `undefined` for a class without. */
export function registryOptionsOf(target: object): ServiceRegistryOptions | undefined {
  return registries.get(target)
}
