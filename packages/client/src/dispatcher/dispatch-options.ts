import { stringify } from 'node:querystring'
import { Readable } from 'node:stream'
import { BoundedMap, type RequestBody } from '@sd/core'
import { type Dispatcher, errors } from 'undici'
import type { ForwardContext, ForwardInit, ForwardLimits } from '../forward/forward-init.ts'
import { RawHeaders } from '../message/raw-headers.ts'
import { contentTypeOf, isFormData } from '../message/request-body.ts'
import { checkField, checkMethod, checkPath, isFieldValue } from '../message/request-check.ts'
import type { ResolvedSettings } from '../settings/settings.ts'
import { serviceOfOrigin } from './service-origin.ts'

/** Converts an undici request. @throws SdError `SD_INVALID`, or an error of undici if undici would reject the same */
export function readDispatch({ entryOf }: ForwardContext, options: Dispatcher.DispatchOptions): ForwardInit {
  if (typeof options !== 'object' || options === null) throw new errors.InvalidArgumentError('opts must be an object.')
  checkOptions(options)
  const service = serviceOf(options.origin)
  const path = checkPath(addQuery(options.path, options.query))
  const method = checkMethod(options.method)
  const entry = entryOf(service, method, path)
  const body = readBody(options.body)
  const rawHeaders = readDispatchHeaders(options.headers)
  // Like undici, sends no content type for a string.
  const contentType = typeof body === 'string' ? undefined : contentTypeOf(body)
  if (contentType !== undefined && !hasField(rawHeaders, 'content-type')) rawHeaders.push('content-type', contentType)
  const upgrade = readUpgrade(options.upgrade)
  const limits = readLimits(options, entry.settings)
  return { entry, method, path, rawHeaders: new RawHeaders(rawHeaders, entry.settings.headers), body, upgrade, limits }
}

function readUpgrade(upgrade: Dispatcher.DispatchOptions['upgrade']): string | undefined {
  if (upgrade === true) return 'Websocket'
  if (!upgrade) return undefined
  if (typeof upgrade !== 'string') throw new errors.InvalidArgumentError('upgrade must be a string')
  if (!isFieldValue(upgrade)) throw new errors.InvalidArgumentError('invalid upgrade header')
  return upgrade
}

/** Checks options of undici that a request must not have. */
function checkOptions(options: Dispatcher.DispatchOptions): void {
  const { throwOnError, maxRedirections, dispatcher, reset, expectContinue } = options as unknown as Record<string, unknown>
  if (throwOnError != null) refuse('invalid throwOnError')
  if (maxRedirections != null && maxRedirections !== 0) refuse('maxRedirections is not supported, use the redirect interceptor')
  if (dispatcher != null) {
    refuse(
      'opts.dispatcher is not supported by instance methods. Pass opts.dispatcher to the top-level undici functions or call the dispatcher instance method directly.',
    )
  }
  if (reset != null && typeof reset !== 'boolean') refuse('invalid reset')
  if (expectContinue != null && typeof expectContinue !== 'boolean') refuse('invalid expectContinue')
}

function refuse(message: string): never {
  throw new errors.InvalidArgumentError(message)
}

/** Services by origin: parsing a URL costs as much as the rest of the work for a request. */
const services = new BoundedMap<string, string>({ maxEntries: 1_000 })

function serviceOf(origin: Dispatcher.DispatchOptions['origin']): string {
  const text = String(origin ?? '')
  const known = services.get(text, 0)
  if (known !== undefined) return known
  const url = URL.parse(text)
  if (!url) throw new errors.InvalidArgumentError('opts.origin must be a non-empty string or URL.')
  const service = serviceOfOrigin(url)
  services.set(text, service)
  return service
}

/** The service's time limit applies to the whole, unless the request has undici's own limits. */
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
  return isFormData(body) || body instanceof URLSearchParams
}

function hasField(rawHeaders: readonly string[], name: string): boolean {
  return rawHeaders.some((text, index) => index % 2 === 0 && text.toLowerCase() === name)
}

/** Header fields in any of the forms that undici takes, names and values in turn. */
function readDispatchHeaders(headers: Dispatcher.DispatchOptions['headers']): string[] {
  const list: string[] = []
  if (Array.isArray(headers)) {
    if (headers.length % 2 !== 0) throw new errors.InvalidArgumentError('headers array must be even')
    for (let index = 0; index < headers.length; index += 2) addField(list, headers[index], headers[index + 1])
  } else if (headers && typeof headers === 'object') {
    for (const pair of isIterableOfPairs(headers) ? headers : Object.entries(headers)) {
      if (!Array.isArray(pair) || pair.length !== 2)
        throw new errors.InvalidArgumentError('headers must be in key-value pair format')
      addField(list, pair[0], pair[1])
    }
  } else if (headers != null) throw new errors.InvalidArgumentError('headers must be an object or an array')
  return list
}

/** As in undici: inherited properties of every object are ignored. */
function isIterableOfPairs(headers: object): headers is Iterable<unknown> {
  const prototype: unknown = Object.getPrototypeOf(headers)
  return Symbol.iterator in headers && (Object.hasOwn(headers, Symbol.iterator) || prototype !== Object.prototype)
}

/** @throws SdError `SD_INVALID` for a value that is not one line of Latin-1; it does not quote the value */
function addField(list: string[], name: unknown, value: unknown): void {
  if (value === undefined) return
  const key = typeof name === 'string' ? name : toText(name, 'header name')
  const lower = key.toLowerCase()
  if ((lower === 'host' || lower === 'content-length') && hasField(list, lower)) {
    throw new errors.InvalidArgumentError(`duplicate ${lower} header`)
  }
  if (!Array.isArray(value)) addText(list, key, value)
  else for (const one of value) addText(list, key, one)
}

function addText(list: string[], key: string, value: unknown): void {
  const text = typeof value === 'string' ? value : toText(value ?? '', `${key} header`)
  checkField('headers', key, text)
  list.push(key, text)
}

function toText(value: unknown, what: string): string {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('latin1')
  if (typeof value === 'object') throw new errors.InvalidArgumentError(`invalid ${what}`)
  return `${value as string}`
}

/** As undici does, in its order. @throws InvalidArgumentError of undici */
export function checkHandler(handler: Dispatcher.DispatchHandler, { upgrade }: ForwardInit): void {
  const methods = handler as { readonly onBodySent?: unknown; readonly onRequestSent?: unknown }
  if (typeof handler.onResponseError !== 'function') refuse('invalid onResponseError method')
  checkMethodOf(methods.onBodySent, 'onBodySent', true)
  checkMethodOf(methods.onRequestSent, 'onRequestSent', true)
  if (upgrade !== undefined) {
    checkMethodOf(handler.onRequestUpgrade, 'onRequestUpgrade')
    return
  }
  checkMethodOf(handler.onResponseStart, 'onResponseStart')
  checkMethodOf(handler.onResponseData, 'onResponseData')
  checkMethodOf(handler.onResponseEnd, 'onResponseEnd')
}

function checkMethodOf(method: unknown, name: string, isOptional: boolean = false): void {
  if (typeof method !== 'function' && !(isOptional && method === undefined)) refuse(`invalid ${name} method`)
}
