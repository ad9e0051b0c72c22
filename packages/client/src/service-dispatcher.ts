import { stringify } from 'node:querystring'
import { Readable } from 'node:stream'
import { closedError, invalid, type RequestBody, SdError, toSdError } from '@sd/core'
import { Dispatcher, errors } from 'undici'
import { DispatchedHandler } from './dispatched-handler.ts'
import { type ForwardContext, type ForwardInit, Forwarding, type ForwardLimits } from './forwarding.ts'
import { contentTypeOf } from './request-body.ts'
import { checkMethod, checkPath } from './request-check.ts'
import { serviceOfOrigin } from './service-origin.ts'
import type { ResolvedSettings } from './settings.ts'

/**
 * An undici Dispatcher for which the host of an origin is the name of a service. Its requests and upgrades are the client's own calls, with all
 * policies.
 */
export function createServiceDispatcher(context: ForwardContext): Dispatcher {
  return new ServiceDispatcher(context)
}

// Inheritance, because undici's own request, stream and pipeline are methods of Dispatcher over dispatch.
class ServiceDispatcher extends Dispatcher {
  readonly #context: ForwardContext

  constructor(context: ForwardContext) {
    super()
    this.#context = context
  }

  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    if (this.#context.openCalls.isClosed) throw closedError('client')
    const dispatched = new DispatchedHandler(handler)
    try {
      dispatched.begin(new Forwarding(this.#context, readDispatch(this.#context, options), dispatched))
    } catch (error) {
      // As undici does with what it refuses.
      dispatched.refuse(error instanceof errors.UndiciError ? error : toSdError(error, 'SD_INVALID', 'Dispatching'))
    }
    return true
  }

  override async close(): Promise<void> {
    // The connections are the client's to close.
  }

  override async destroy(): Promise<void> {
    // The same.
  }
}

/** What a request of undici asks for. @throws SdError `SD_INVALID`, or an error of undici where it would refuse the same */
function readDispatch({ entryOf }: ForwardContext, options: Dispatcher.DispatchOptions): ForwardInit {
  // Removed from undici; its own error, because it is undici's option.
  if ((options as { throwOnError?: unknown }).throwOnError != null) throw new errors.InvalidArgumentError('invalid throwOnError')
  const service = serviceOfOrigin(new URL(String(options.origin)))
  const path = checkPath(addQuery(options.path, options.query))
  const method = checkMethod(options.method)
  const entry = entryOf(service, method, path)
  const body = readBody(options.body)
  const rawHeaders = readDispatchHeaders(options.headers)
  // undici says nothing of the type of text, and neither does this.
  const contentType = typeof body === 'string' ? undefined : contentTypeOf(body)
  if (contentType !== undefined && !hasField(rawHeaders, 'content-type')) rawHeaders.push('content-type', contentType)
  const upgrade = options.upgrade === true ? 'Websocket' : options.upgrade || undefined
  return { entry, method, path, rawHeaders, body, upgrade, limits: readLimits(options, entry.settings) }
}

/** The service's time limit is in effect for the whole, except where the request has limits of undici's own. */
function readLimits(
  { headersTimeout, bodyTimeout, upgrade }: Dispatcher.DispatchOptions,
  { timeoutMs }: ResolvedSettings,
): ForwardLimits {
  const isWhole = headersTimeout == null && bodyTimeout == null && !upgrade
  return {
    headTimeoutMs: readLimit('headersTimeout', headersTimeout) ?? timeoutMs,
    idleTimeoutMs: readLimit('bodyTimeout', bodyTimeout) ?? (isWhole || upgrade ? 0 : timeoutMs),
    maxDurationMs: isWhole ? timeoutMs : 0,
  }
}

function readLimit(name: string, value: number | null | undefined): number | undefined {
  if (value == null) return undefined
  if (!Number.isFinite(value) || value < 0) throw new errors.InvalidArgumentError(`invalid ${name}`)
  return value
}

function addQuery(path: string, query: Dispatcher.DispatchOptions['query']): string {
  const text = query ? stringify(query as Record<string, string>) : ''
  if (text === '') return path
  if (path.includes('?') || path.includes('#')) {
    throw new errors.InvalidArgumentError('Query params cannot be passed when url already contains "?" or "#".')
  }
  return `${path}?${text}`
}

function readBody(body: Dispatcher.DispatchOptions['body']): RequestBody | undefined {
  return isIterable(body) ? Readable.from(body) : ((body as RequestBody | null | undefined) ?? undefined)
}

function isIterable(body: unknown): body is Iterable<unknown> {
  return typeof body === 'object' && body !== null && Symbol.iterator in body && !ArrayBuffer.isView(body) && !isForm(body)
}

function isForm(body: object): boolean {
  return body instanceof FormData || body instanceof URLSearchParams
}

function hasField(rawHeaders: readonly string[], name: string): boolean {
  return rawHeaders.some((text, index) => index % 2 === 0 && text.toLowerCase() === name)
}

/** Header fields in any of the forms that undici takes, names and values in turn. */
function readDispatchHeaders(headers: Dispatcher.DispatchOptions['headers']): string[] {
  const list: string[] = []
  const add = (name: unknown, value: unknown): void => {
    if (value === undefined || value === null) return
    for (const one of Array.isArray(value) ? value : [value]) list.push(toText(name), toText(one))
  }
  if (Array.isArray(headers)) {
    if (headers.length % 2 !== 0) throw new errors.InvalidArgumentError('headers array must be even')
    for (let index = 0; index < headers.length; index += 2) add(headers[index], headers[index + 1])
  } else if (headers && typeof headers === 'object') {
    const pairs = Symbol.iterator in headers ? (headers as Iterable<[string, unknown]>) : Object.entries(headers)
    for (const [name, value] of pairs) add(name, value)
  } else if (headers != null) throw new errors.InvalidArgumentError('headers must be an object or an array')
  checkFields(list)
  return list
}

function toText(value: unknown): string {
  return value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : String(value)
}

/** @throws SdError `SD_INVALID` for a value that is not one line of Latin-1; it is not shown */
function checkFields(list: readonly string[]): void {
  for (let index = 0; index < list.length; index += 2) {
    const name = list[index] as string
    if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name))
      throw invalid('headers', 'a name with other characters', 'names that are tokens')
    if (!/^[\t\x20-\x7e\x80-\xff]*$/.test(list[index + 1] as string)) {
      throw new SdError('SD_INVALID', `Invalid headers.${name.toLowerCase()}: the value has line breaks or control characters`, {
        field: `headers.${name.toLowerCase()}`,
      })
    }
  }
}
