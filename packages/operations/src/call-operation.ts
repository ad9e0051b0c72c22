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
  const { path, query, body, options } = await checkArguments(operation, values)
  const request = { ...options, ...(query && { query }), ...(body !== undefined && toBody(body)) }
  const response = await client.request(service, path, { ...request, method: operation.parsed.method })
  return readResponse(response, operation, `${service} ${operation.route}`)
}

/** Checks the arguments of a call. @throws SdError `SD_INVALID` that names the argument */
export async function checkArguments(operation: Operation, values: readonly unknown[]): Promise<CheckedArguments> {
  const { parsed, takesBody, body: bodySchema } = operation
  const path = buildPath(parsed, values)
  const given = takesBody ? values[parsed.names.length] : undefined
  const { query, ...options } = readOptions(operation, values[parsed.names.length + (takesBody ? 1 : 0)])
  const body = bodySchema ? await checkArgument('body', bodySchema, given) : given
  return { path, query: await checkQuery(operation.query, query), body, options }
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
  const checked = schema ? await checkArgument('query', schema, query ?? {}) : query
  if (checked === undefined) return undefined
  // Optional fields that are absent are `undefined` in what some schemas return.
  return Object.fromEntries(
    Object.entries(checkObject('query', checked)).filter(([, value]) => value !== undefined),
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

async function readResponse(response: ServiceResponse, { response: wanted }: Operation, source: string): Promise<unknown> {
  if (wanted === 'response') return response
  response.ensureOk()
  switch (wanted) {
    case 'json':
      return readJson(response, source)
    case 'text':
      return response.text()
    case 'bytes':
      return response.bytes()
    case 'stream':
      return response.stream()
    case 'none':
      await response.bytes()
      return undefined
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
