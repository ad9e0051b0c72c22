import {
  type CallContext,
  type CallResponse,
  checkDuration,
  checkFunction,
  checkInteger,
  checkKnownKeys,
  checkObject,
  checkOneOf,
  createEndpoint,
  createServiceInstance,
  type HeaderFields,
  invalidError,
  type SdError,
} from '@sd/core'
import { createLastSuccesses } from './last-success.ts'
import { ResponseBody } from './response-body.ts'

/** An answer that needs no service. */
export interface StaticResponse {
  /** HTTP status. @default 200 */
  readonly status?: number
  /** Header fields, names in lower case. @default {} */
  readonly headers?: HeaderFields
  /** The body. Not with `json`. @default empty */
  readonly body?: string | Uint8Array
  /** A value for a JSON body. Not with `body`. */
  readonly json?: unknown
}

/** How a call failed. */
export interface CallFailure {
  /** The error; for an answer with a status from 500 on, `SD_HTTP_STATUS`. */
  readonly error: SdError
  /** The status, if an answer came. */
  readonly status?: number | undefined
}

/** What answers instead of a call that failed. Calls that their caller aborted have none. */
export type CallFallback =
  | {
      /** Always the same answer. */
      readonly kind: 'response'
      /** The answer. */
      readonly response: StaticResponse
    }
  | {
      /** What a function makes of the failure. */
      readonly kind: 'function'
      /** Returns the answer, or `undefined` to let the failure stand. What it throws, the caller gets. */
      readonly run: (failure: CallFailure, call: CallContext) => StaticResponse | undefined | Promise<StaticResponse | undefined>
    }
  | {
      /**
       * The last good response to the same GET request: same path, query and key. Those that were read to their end are remembered, and none that RFC 9111
       * keeps from a cache that callers share: no request with `authorization`, `cookie` or another field that tells who asks, no response that is `private`,
       * `no-store`, `no-cache`, to be revalidated, or that varies with fields that differ. With `key` it is for you to tell callers apart, and
       * all of them are. Never parts (`range`, 206). `set-cookie` and fields of the connection are taken off, `age` is added.
       */
      readonly kind: 'last-success'
      /** Oldest answer that is given, in milliseconds. @default no limit */
      readonly maxAgeMs?: number
      /** Most answers that are remembered; the one that was used longest ago leaves first. @default 100 */
      readonly maxEntries?: number
      /** Larger bodies are not remembered, in bytes. @default 65_536 */
      readonly maxBytes?: number
      /** Most bytes that are remembered for a service in all. @default 16_777_216 (16 MiB) */
      readonly maxTotalBytes?: number
      /** A response that was not asked for in this time is forgotten, in milliseconds. @default 3_600_000 */
      readonly idleMs?: number
      /** What tells responses to one path apart, such as the user: the name that the caller proved, not one that it sent. @default none, and RFC 9111 */
      readonly key?: (call: CallContext) => string
    }

/** Checks the setting. @throws SdError `SD_INVALID` that names the field */
export function checkFallback(path: string, fallback: CallFallback): void {
  checkOneOf(`${path}.kind`, checkObject(path, fallback)['kind'], ['response', 'function', 'last-success'])
  if (fallback.kind === 'response') {
    checkKnownKeys(path, fallback, ['kind', 'response'])
    checkStaticResponse(`${path}.response`, fallback.response)
  } else if (fallback.kind === 'function') {
    checkKnownKeys(path, fallback, ['kind', 'run'])
    checkFunction(`${path}.run`, fallback.run)
  } else {
    checkKnownKeys(path, fallback, ['kind', 'maxAgeMs', 'maxEntries', 'maxBytes', 'maxTotalBytes', 'idleMs', 'key'])
    const { maxAgeMs, maxEntries, maxBytes, maxTotalBytes, idleMs, key } = fallback
    if (maxTotalBytes !== undefined) checkInteger(`${path}.maxTotalBytes`, maxTotalBytes, { min: 1, max: 2 ** 40 })
    if (idleMs !== undefined) checkDuration(`${path}.idleMs`, idleMs, 1)
    if (maxAgeMs !== undefined) checkDuration(`${path}.maxAgeMs`, maxAgeMs, 1)
    if (maxEntries !== undefined) checkInteger(`${path}.maxEntries`, maxEntries, { min: 1, max: 1_000_000 })
    if (maxBytes !== undefined) checkInteger(`${path}.maxBytes`, maxBytes, { min: 1, max: 2 ** 31 })
    if (key !== undefined) checkFunction(`${path}.key`, key)
  }
}

/** A fallback at work for one service. */
export interface Fallback {
  /** Takes note of a response, once it was read. @param sent header fields of the request as it was sent */
  remember?(call: CallContext, response: CallResponse, sent: HeaderFields): void
  /** An answer instead of a failure, or `undefined` if there is none. */
  answer(failure: CallFailure, call: CallContext): Promise<CallResponse | undefined>
}

/** Makes a fallback. */
export function createFallback(fallback: CallFallback): Fallback {
  if (fallback.kind === 'last-success') return createLastSuccess(fallback)
  return {
    async answer(failure, call) {
      const made = fallback.kind === 'response' ? fallback.response : await fallback.run(failure, call)
      if (made === undefined) return undefined
      if (fallback.kind === 'function') checkStaticResponse('fallback', made)
      return toCallResponse(made, call.service)
    },
  }
}

function createLastSuccess(setting: CallFallback & { readonly kind: 'last-success' }): Fallback {
  const memory = createLastSuccesses(setting)
  return {
    remember: memory.remember,
    async answer(_, call) {
      const last = memory.find(call)
      return last && toCallResponse(last, call.service)
    },
  }
}

function toCallResponse({ status = 200, headers = {}, body, json }: StaticResponse, service: string): CallResponse {
  const bytes = json === undefined ? (body ?? '') : JSON.stringify(json)
  const content = new ResponseBody({ resume() {}, cancel() {} })
  if (bytes.length > 0) content.push(typeof bytes === 'string' ? Buffer.from(bytes) : bytes)
  content.end()
  // Nobody answered, and yet who logs the endpoint shall see what it was.
  const endpoint = createEndpoint(createServiceInstance({ service, id: 'fallback', address: 'fallback', port: 1 }))
  const type = json === undefined ? {} : { 'content-type': 'application/json' }
  return { status, headers: { ...type, ...headers }, body: content, endpoint }
}

function checkStaticResponse(path: string, response: StaticResponse): void {
  checkKnownKeys(path, checkObject(path, response), ['status', 'headers', 'body', 'json'])
  const { status, headers, body, json } = response
  if (status !== undefined) checkInteger(`${path}.status`, status, { min: 200, max: 599 })
  if (headers !== undefined) checkObject(`${path}.headers`, headers)
  if (body !== undefined && json !== undefined)
    throw invalidError(`${path}.body`, 'a body beside json', 'only one of body and json')
  if (body !== undefined && typeof body !== 'string' && !(body instanceof Uint8Array)) {
    throw invalidError(`${path}.body`, body, 'a string or bytes')
  }
}
