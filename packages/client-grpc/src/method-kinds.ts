import { checkObject, invalidError } from '@sd/core'

/** Which sides of a call are streams. */
export interface MethodKind {
  /** Whether the caller sends any number of messages. */
  readonly requestStream: boolean
  /** Whether the service responds with any number of messages. */
  readonly responseStream: boolean
}

/** The definition of a service in generated code: the methods with their paths, such as `OrdersClient.service`. */
export type ServiceMethods = Readonly<Record<string, MethodKind & { readonly path: string }>>

/** An unlisted method is treated as a stream in both directions. */
const unknown: MethodKind = { requestStream: true, responseStream: true }

/** Reads which methods are streams. @returns the kind of a method by its path @throws SdError `SD_INVALID` that names the method */
export function readMethodKinds(definition: ServiceMethods): (path: string) => MethodKind {
  const kinds = new Map<string, MethodKind>()
  for (const [name, method] of Object.entries(checkObject('definition', definition) as ServiceMethods)) {
    const { path, requestStream, responseStream } = checkObject(`definition.${name}`, method) as Partial<ServiceMethods[string]>
    if (typeof path !== 'string' || typeof requestStream !== 'boolean' || typeof responseStream !== 'boolean')
      throw invalidError(`definition.${name}`, method, 'a method with path, requestStream and responseStream')
    kinds.set(path, { requestStream, responseStream })
  }
  return (path) => kinds.get(path) ?? unknown
}
