import type { EventOptions, RequestOptions, ServerSentEvent, ServiceClient, ServiceResponse } from '@sd/client'
import { checkObject, invalidError, type RequestBody, SdError } from '@sd/core'
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { checkArgument, checkReceived } from './check-value.ts'
import type { EventsOperation, Operation } from './operation.ts'
import { buildPath } from './route.ts'

/** An event whose data was checked. */
export interface OperationEvent<Data> extends Omit<ServerSentEvent, 'data'> {
  readonly data: Data
}

/** Arguments of a call, checked. */
export interface CheckedArguments {
  readonly path: string
  readonly query: RequestOptions['query']
  /** What the schema made of the body, or the body as it was given. */
  readonly body: unknown
  readonly options: RequestOptions
}

/**
 * Calls an operation: what the methods of a client made by `defineServiceClient` do.
 *
 * @param values the values of the path in order, then the body if the operation takes one, then options
 * @throws SdError `SD_INVALID` that names the argument; `SD_HTTP_STATUS`; `SD_MALFORMED` for a response that does not fit the schema; else what
 * the client throws
 */
export async function callOperation(
  client: ServiceClient,
  service: string,
  operation: Operation,
  values: readonly unknown[],
): Promise<unknown> {
  const checked = checkArguments(operation, values)
  // Without a schema nothing is waited for: it would be a noticeable part of a call's CPU.
  const { path, query, body, options } = checked instanceof Promise ? await checked : checked
  const { method } = operation.parsed
  const request = { ...options, method, ...(query && { query }), ...(body !== undefined && toBody(body)) }
  const response = await client.request(service, path, request)
  return await readResponse(response, operation, service)
}

/** Checks the arguments of a call. A promise only if there is a schema for them. @throws SdError `SD_INVALID` that names the argument */
export function checkArguments(operation: Operation, values: readonly unknown[]): CheckedArguments | Promise<CheckedArguments> {
  const { parsed, takesBody, body: bodySchema, query: querySchema } = operation
  const path = buildPath(parsed, values)
  const body = takesBody ? values[parsed.names.length] : undefined
  const { query, ...options } = readOptions(operation, values[parsed.names.length + (takesBody ? 1 : 0)])
  if (!bodySchema && !querySchema) return { path, query: toQuery(query), body, options }
  return checkSchemas(operation, { path, query, body, options })
}

async function checkSchemas({ body: schema, query }: Operation, given: CheckedArguments): Promise<CheckedArguments> {
  const body = schema ? await checkArgument('body', schema, given.body) : given.body
  return { ...given, query: await checkQuery(query, given.query), body }
}

/**
 * Follows a stream of events.
 *
 * @throws SdError while iterating: `SD_MALFORMED` for data that does not fit the schema; else what the client throws
 */
export async function* followOperation(
  client: ServiceClient,
  service: string,
  operation: EventsOperation,
  values: readonly unknown[],
): AsyncGenerator<OperationEvent<unknown>, undefined> {
  const { parsed, data: schema } = operation
  const path = buildPath(parsed, values)
  const { query: given, ...options } = readOptions(operation, values[parsed.names.length])
  const query = await checkQuery(operation.query, given)
  for await (const event of client.events(service, path, { ...(options as EventOptions), ...(query && { query }) })) {
    yield { ...event, data: schema ? await readData(schema, event, `${service} ${operation.route}`) : event.data }
  }
  return undefined
}

function readOptions({ route }: Operation | EventsOperation, value: unknown): RequestOptions {
  if (value === undefined) return {}
  const options = checkObject('options', value)
  for (const key of ['body', 'json', 'method']) {
    if (options[key] !== undefined)
      throw invalidError(`options.${key}`, typeof options[key], `none: ${route} says it, or an argument`)
  }
  return options as RequestOptions
}

async function checkQuery(schema: StandardSchemaV1 | undefined, query: unknown): Promise<RequestOptions['query']> {
  return toQuery(schema ? await checkArgument('query', schema, query ?? {}) : query)
}

function toQuery(query: unknown): RequestOptions['query'] {
  if (query === undefined) return undefined
  // Optional fields that are absent are `undefined` in what some schemas return.
  return Object.fromEntries(
    Object.entries(checkObject('query', query)).filter(([, value]) => value !== undefined),
  ) as NonNullable<RequestOptions['query']>
}

/** Streams, bytes and forms are sent as they are, everything else as JSON. */
function toBody(value: unknown): Pick<RequestOptions, 'body' | 'json'> {
  const isBody =
    value instanceof ArrayBuffer ||
    ArrayBuffer.isView(value) ||
    value instanceof URLSearchParams ||
    value instanceof FormData ||
    value instanceof Blob ||
    value instanceof ReadableStream ||
    (typeof value === 'object' && value !== null && Symbol.asyncIterator in value)
  return isBody ? { body: value as RequestBody } : { json: value }
}

/** @returns what was read, or a promise of it */
function readResponse(response: ServiceResponse, { response: wanted, route }: Operation, service: string): unknown {
  if (wanted === 'response') return response
  response.ensureOk()
  switch (wanted) {
    case 'json':
      return readJson(response, `${service} ${route}`)
    case 'text':
      return response.text()
    case 'bytes':
      return response.bytes()
    case 'stream':
      return response.stream()
    case 'none':
      return response.bytes().then(() => undefined)
    default:
      return response.json(wanted)
  }
}

/** A response without a body is `undefined`. */
async function readJson(response: ServiceResponse, source: string): Promise<unknown> {
  const text = await response.text()
  return text === '' ? undefined : parseJson(text, `${source}: the response`)
}

async function readData(schema: StandardSchemaV1, { data, id }: ServerSentEvent, source: string): Promise<unknown> {
  const which = id === undefined ? '' : ` (id ${id})`
  const value = parseJson(data, `${source}: the data of an event${which}`)
  return checkReceived(schema, value, `${source}: unexpected data in an event${which}`)
}

function parseJson(text: string, what: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new SdError('SD_MALFORMED', `${what} is not valid JSON`, { cause })
  }
}
