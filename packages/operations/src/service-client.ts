import type { EventOptions, RequestOptions, ServiceClient, ServiceResponse, ServiceSettings } from '@sd/client'
import { checkName, checkObject, invalidError } from '@sd/core'
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { callOperation, followOperation, type OperationEvent } from './call-operation.ts'
import type { EventsOperation, Operation, ResponseKind } from './operation.ts'
import type { RouteValues } from './route.ts'

/**
 * Operations of a service by the name of their method: what `operation()` and `events()` return. The type says no more, so that TypeScript
 * infers nothing from it for their schemas.
 */
export type Operations = Readonly<Record<string, { readonly kind: 'call' | 'events'; readonly route: string }>>

type WithBody = `${'POST' | 'PUT' | 'PATCH'} ${string}`

/** Options of one call. The body is an argument of its own. */
export type CallOptions<Query> = Omit<RequestOptions, 'body' | 'json' | 'query'> & QueryOption<Query>

type QueryOption<Query> = Query extends StandardSchemaV1
  ? Record<string, never> extends StandardSchemaV1.InferInput<Query>
    ? { readonly query?: StandardSchemaV1.InferInput<Query> }
    : { readonly query: StandardSchemaV1.InferInput<Query> }
  : { readonly query?: RequestOptions['query'] }

type BodyArgument<R, Body> = Body extends StandardSchemaV1
  ? undefined extends StandardSchemaV1.InferInput<Body>
    ? [body?: StandardSchemaV1.InferInput<Body>]
    : [body: StandardSchemaV1.InferInput<Body>]
  : R extends WithBody
    ? [body?: unknown]
    : []

type OptionsArgument<Options> = Record<string, never> extends Options ? [options?: Options] : [options: Options]

/** What a call resolves with. */
export type ResponseOf<Response> = Response extends StandardSchemaV1
  ? StandardSchemaV1.InferOutput<Response>
  : Response extends ResponseKind
    ? {
        readonly json: unknown
        readonly text: string
        readonly bytes: Uint8Array
        readonly stream: ReadableStream<Uint8Array>
        readonly none: undefined
        readonly response: ServiceResponse
      }[Response]
    : never

/** The method of an operation: values of the path in order, then the body if there is one, then options. */
export type OperationMethod<One> =
  One extends EventsOperation<infer R, infer Data, infer Query>
    ? (
        ...values: [...RouteValues<R>, ...OptionsArgument<Omit<EventOptions, 'query'> & QueryOption<Query>>]
      ) => AsyncIterableIterator<OperationEvent<Data extends StandardSchemaV1 ? StandardSchemaV1.InferOutput<Data> : string>>
    : One extends Operation<infer R, infer Response, infer Body, infer Query>
      ? (
          ...values: [...RouteValues<R>, ...BodyArgument<R, Body>, ...OptionsArgument<CallOptions<Query>>]
        ) => Promise<ResponseOf<Response>>
      : never

/** A client of one service: a method for each operation. */
export type TypedClient<All> = { readonly [Name in keyof All]: OperationMethod<All[Name]> }

/** A service and its operations. Call it with a client to get a {@link TypedClient}. */
export interface ServiceClientDefinition<All extends Operations = Operations> {
  (client: ServiceClient): TypedClient<All>
  /** Name of the service. */
  readonly service: string
  /** As they were given. */
  readonly operations: All
  /**
   * Settings of the service with those of its operations: `client.configureService(stock.service, stock.settings({ timeoutMs: 2_000 }))`.
   *
   * @param own settings of the service. Its `operations` win over those of the definition
   */
  settings(own?: ServiceSettings): ServiceSettings
}

/**
 * Defines a typed client of one service.
 *
 * @param service its name, also with a named port: `orders:admin`
 * @throws SdError `SD_INVALID` that names the field
 */
export function defineServiceClient<const All extends Operations>(
  service: string,
  operations: All,
): ServiceClientDefinition<All> {
  checkName('service', service)
  const all = entriesOf(operations)
  const settingsByRoute = Object.fromEntries(
    all.flatMap(([, one]) => (one.kind === 'call' && one.settings ? [[one.route, one.settings]] : [])),
  )

  function bind(client: ServiceClient): TypedClient<All> {
    if (typeof checkObject('client', client)['request'] !== 'function') {
      throw invalidError('client', 'an object without request()', 'what createServiceClient() returns')
    }
    const methods = all.map(([name, one]) => [
      name,
      one.kind === 'events'
        ? (...values: readonly unknown[]) => followOperation(client, service, one, values)
        : (...values: readonly unknown[]) => callOperation(client, service, one, values),
    ])
    return Object.freeze(Object.fromEntries(methods)) as TypedClient<All>
  }

  return Object.freeze(
    Object.assign(bind, {
      service,
      operations,
      settings: (own: ServiceSettings = {}): ServiceSettings => ({
        ...own,
        operations: { ...settingsByRoute, ...own.operations },
      }),
    }),
  )
}

/** The operations with their names. @throws SdError `SD_INVALID` that names the field */
export function entriesOf(operations: Operations): readonly (readonly [string, Operation | EventsOperation])[] {
  return Object.entries(checkObject('operations', operations)).map(([name, one]) => {
    checkOperation(name, one)
    return [name, one as Operation | EventsOperation]
  })
}

function checkOperation(name: string, one: unknown): void {
  // An object with `then` is taken for a promise by `await`.
  if (name === 'then') throw invalidError(`operations.${name}`, name, 'another name, because await would call it')
  const kind = checkObject(`operations.${name}`, one)['kind']
  if (kind !== 'call' && kind !== 'events') {
    throw invalidError(`operations.${name}`, 'another object', 'what operation() or events() returns')
  }
}
