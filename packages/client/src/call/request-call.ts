import { checkBoolean, checkDuration, checkFunction, checkKnownKeys, checkObject, checkOneOf, invalidError } from '@sd/core'
import type { ForwardContext } from '../forward/forward-init.ts'
import { chooseBody, contentTypeOf } from '../message/request-body.ts'
import { checkPath, readHeaders } from '../message/request-check.ts'
import type { ServiceEntry } from '../services/service-entry.ts'
import { Call } from './call.ts'
import type { CallInit } from './call-init.ts'
import { type CollapsibleCall, collapseKey } from './collapse.ts'
import { createRecorder } from './explanation.ts'
import type { RequestOptions } from './request-options.ts'

const requestKeys = [
  'method',
  'query',
  'headers',
  'body',
  'json',
  'timeoutMs',
  'attemptTimeoutMs',
  'deadlineAt',
  'signal',
  'hashKey',
  'priority',
  'idempotent',
  'explain',
] as const

/** Target of a request. */
interface RequestTarget {
  readonly method: string
  readonly service: string
  readonly path: string
}

/** Builds the call for a request. @throws SdError `SD_INVALID` that names the option */
export function toCallInit(context: ForwardContext, target: RequestTarget, options: RequestOptions): CallInit {
  checkKnownKeys('', options, requestKeys)
  const { method, service } = target
  const path = options.query ? addQuery(checkPath(target.path), options.query) : checkPath(target.path)
  const entry = context.entryOf(service, method, path)
  const { signal, hashKey, explain, attemptTimeoutMs, priority, idempotent } = options
  if (priority !== undefined) checkOneOf('priority', priority, ['critical', 'default', 'batch'])
  if (idempotent !== undefined) checkBoolean('idempotent', idempotent)
  const body = chooseBody(options.body, options.json)
  const headers = { ...entry.settings.headers, ...(options.headers && readHeaders('headers', options.headers)) }
  const contentType = options.json === undefined ? contentTypeOf(body) : 'application/json'
  if (contentType !== undefined) headers['content-type'] ||= contentType
  const startedAt = performance.now()
  return {
    entry,
    transport: context.transport,
    openCalls: context.openCalls,
    method,
    path,
    headers,
    body,
    startedAt,
    deadlineAt: findDeadline(options, entry, startedAt),
    attemptTimeoutMs: attemptTimeoutMs === undefined ? undefined : checkDuration('attemptTimeoutMs', attemptTimeoutMs),
    signal,
    hashKey,
    priority,
    idempotent,
    maxResponseBytes: context.maxResponseBytes,
    recorder: explain && createRecorder(checkFunction('explain', explain)),
  }
}

/** Whether other calls may share its response. */
export function mayCollapse({ entry, method, body, recorder }: CallInit): boolean {
  return (
    entry.settings.collapse !== undefined &&
    entry.settings.collapse !== false &&
    method === 'GET' &&
    body === undefined &&
    !recorder
  )
}

/** A call that identical calls may join. */
export function toCollapsible(init: CallInit): CollapsibleCall {
  const { entry, method, path, headers, hashKey, priority, startedAt, deadlineAt, signal } = init
  return {
    identity: { service: entry.service, method, path, startedAt: startedAt ?? performance.now() },
    key: collapseKey([entry.service, path, hashKey, priority], headers),
    headers,
    deadlineAt,
    signal,
    start(own) {
      // Calls that join later compare with the original header fields.
      const made = new Call({ ...init, headers: { ...headers }, signal: own, startedAt: performance.now() })
      return { response: made.run(), sent: () => made.firstExchange?.attempt.headers ?? made.headers }
    },
  }
}

function findDeadline({ timeoutMs, deadlineAt }: RequestOptions, entry: ServiceEntry, now: number): number {
  const limitMs = timeoutMs === undefined ? entry.settings.timeoutMs : checkDuration('timeoutMs', timeoutMs)
  const own = limitMs === 0 ? Number.POSITIVE_INFINITY : now + limitMs
  if (deadlineAt === undefined) return own
  if (typeof deadlineAt !== 'number' || Number.isNaN(deadlineAt))
    throw invalidError('deadlineAt', deadlineAt, 'a number from performance.now(), such as readDeadline returns')
  return Math.min(own, deadlineAt)
}

function addQuery(path: string, query: NonNullable<RequestOptions['query']>): string {
  const fields = new URLSearchParams()
  for (const [name, value] of Object.entries(checkObject('query', query))) {
    for (const one of Array.isArray(value) ? value : [value]) fields.append(name, String(one))
  }
  const text = fields.toString()
  return text === '' ? path : `${path}${path.includes('?') ? '&' : '?'}${text}`
}
