import { type OperationPattern, type OperationSettings, readOperation } from '@sd/client'
import { checkFunction, checkKnownKeys, checkObject, invalidError } from '@sd/core'
import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { Route } from './route.ts'

/**
 * How the body of a response is read. `none` reads and drops it, `stream` is a web stream, `response` is the whole `ServiceResponse`, whatever
 * its status. The others throw on a status that is not 2xx.
 */
export type ResponseKind = 'json' | 'text' | 'bytes' | 'stream' | 'none' | 'response'

/** Options of {@link operation}. */
export interface OperationOptions<
  Response extends StandardSchemaV1 | ResponseKind,
  Body extends StandardSchemaV1 | undefined,
  Query extends StandardSchemaV1 | undefined,
> {
  /** Schema of the JSON in the response, or how its body is read. @default 'json', whose value is `unknown` */
  readonly response?: Response
  /** Schema of the JSON in the request. @default any value where the method has a body */
  readonly body?: Body
  /** Schema of the fields behind the path's `?`. @default any */
  readonly query?: Query
  /** Settings of the client for this operation, see {@link ServiceClientDefinition.settings}. @default those of the service */
  readonly settings?: OperationSettings
}

/** One operation of a service: a request and its response. Made by {@link operation}. */
export interface Operation<
  R extends string = string,
  Response extends StandardSchemaV1 | ResponseKind = StandardSchemaV1 | ResponseKind,
  Body extends StandardSchemaV1 | undefined = StandardSchemaV1 | undefined,
  Query extends StandardSchemaV1 | undefined = StandardSchemaV1 | undefined,
> {
  /** Tells it from a stream of events. */
  readonly kind: 'call'
  /** As it was given, such as `GET /stock/{id}`. */
  readonly route: R
  /** Its method and path, parsed. */
  readonly parsed: OperationPattern
  /** Whether calls take a body after the values of the path. */
  readonly takesBody: boolean
  /** See {@link OperationOptions.response}. */
  readonly response: Response
  /** See {@link OperationOptions.body}. */
  readonly body: Body
  /** See {@link OperationOptions.query}. */
  readonly query: Query
  /** See {@link OperationOptions.settings}. */
  readonly settings: OperationSettings | undefined
}

/** Options of {@link events}. */
export interface EventsOptions<Data extends StandardSchemaV1 | undefined, Query extends StandardSchemaV1 | undefined> {
  /** Schema of the JSON in the data of each event. @default the data is text */
  readonly data?: Data
  /** Schema of the fields behind the path's `?`. @default any */
  readonly query?: Query
}

/** One stream of server-sent events of a service. Made by {@link events}. */
export interface EventsOperation<
  R extends string = string,
  Data extends StandardSchemaV1 | undefined = StandardSchemaV1 | undefined,
  Query extends StandardSchemaV1 | undefined = StandardSchemaV1 | undefined,
> {
  /** Tells it from a call. */
  readonly kind: 'events'
  /** As it was given, such as `GET /stock/changes`. */
  readonly route: R
  /** Its method and path, parsed. */
  readonly parsed: OperationPattern
  /** See {@link EventsOptions.data}. */
  readonly data: Data
  /** See {@link OperationOptions.query}. */
  readonly query: Query
}

const kinds: readonly ResponseKind[] = ['json', 'text', 'bytes', 'stream', 'none', 'response']
const withBody: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH'])

/**
 * Describes an operation: `operation('GET /stock/{id}', { response: Stock })`.
 *
 * @param route a method in upper case and a path; each name in braces becomes an argument of the call
 * @throws SdError `SD_INVALID` that names the field
 */
export function operation<
  const R extends Route,
  const Response extends StandardSchemaV1 | ResponseKind = 'json',
  Body extends StandardSchemaV1 | undefined = undefined,
  Query extends StandardSchemaV1 | undefined = undefined,
>(route: R, options: OperationOptions<Response, Body, Query> = {}): Operation<R, Response, Body, Query> {
  const parsed = readOperation('route', route)
  checkKnownKeys('', options, ['response', 'body', 'query', 'settings'])
  const { response = 'json', body, query, settings } = options
  if (typeof response === 'string' && !kinds.includes(response)) {
    throw invalidError('response', response, `a Standard Schema or one of ${kinds.join(', ')}`)
  }
  if (typeof response !== 'string') checkSchema('response', response)
  if (body !== undefined) checkSchema('body', body)
  if (query !== undefined) checkSchema('query', query)
  if (settings !== undefined) checkObject('settings', settings)
  return Object.freeze({
    kind: 'call',
    route,
    parsed,
    takesBody: body !== undefined || withBody.has(parsed.method),
    response: response as Response,
    body: body as Body,
    query: query as Query,
    settings,
  })
}

/**
 * Describes a stream of server-sent events: `events('GET /stock/changes', { data: Change })`.
 *
 * @throws SdError `SD_INVALID` that names the field
 */
export function events<
  const R extends `GET /${string}`,
  Data extends StandardSchemaV1 | undefined = undefined,
  Query extends StandardSchemaV1 | undefined = undefined,
>(route: R, options: EventsOptions<Data, Query> = {}): EventsOperation<R, Data, Query> {
  const parsed = readOperation('route', route)
  if (parsed.method !== 'GET') throw invalidError('route', route, 'GET and a path, because events are read')
  checkKnownKeys('', options, ['data', 'query'])
  if (options.data !== undefined) checkSchema('data', options.data)
  if (options.query !== undefined) checkSchema('query', options.query)
  return Object.freeze({ kind: 'events', route, parsed, data: options.data as Data, query: options.query as Query })
}

function checkSchema(field: string, value: unknown): void {
  const standard = (value as Partial<StandardSchemaV1> | null)?.['~standard']
  if (typeof standard !== 'object' || standard === null) {
    throw invalidError(field, `a value of type ${typeof value}`, 'a Standard Schema, such as a schema of zod, valibot or arktype')
  }
  checkFunction(`${field}['~standard'].validate`, standard.validate)
}
