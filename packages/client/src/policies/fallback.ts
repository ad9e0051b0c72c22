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
} from '@sd/core'
import { ResponseBody } from '../message/response-body.ts'
import type { CallFailure, CallFallback, StaticResponse } from './fallback-setting.ts'
import { createLastSuccesses } from './last-success.ts'

/** Validates the setting. @throws SdError `SD_INVALID` that names the field */
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

/** The fallback of one service. */
export interface Fallback {
  /** Records a response once it was read. @param sent header fields of the request as it was sent */
  remember?(call: CallContext, response: CallResponse, sent: HeaderFields): void
  /** Returns a response instead of a failure, or `undefined` if there is none. */
  respond(failure: CallFailure, call: CallContext): Promise<CallResponse | undefined>
}

/** Creates a fallback. */
export function createFallback(fallback: CallFallback): Fallback {
  if (fallback.kind === 'last-success') return createLastSuccess(fallback)
  return {
    async respond(failure, call) {
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
    async respond(_, call) {
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
  // No endpoint responded, but logs need one that shows the origin of the response.
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
