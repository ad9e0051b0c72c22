import { checkBoolean, checkDuration, checkFunction, checkInteger, checkKnownKeys, checkOneOf, invalidError } from '@sd/core'
import { PushedBody } from '../message/pushed-body.ts'
import { RawHeaders } from '../message/raw-headers.ts'
import { contentTypeOf } from '../message/request-body.ts'
import { checkMethod, checkPath, describeKind, isFieldValue } from '../message/request-check.ts'
import type { ForwardControl, ForwardHandler, ForwardRequest } from './forward.ts'
import type { ForwardContext } from './forward-init.ts'
import { Forwarding } from './forwarding.ts'

const keys = [
  'service',
  'method',
  'path',
  'rawHeaders',
  'cleanHeaders',
  'hasBody',
  'body',
  'upgrade',
  'hashKey',
  'headTimeoutMs',
  'idleTimeoutMs',
  'maxDurationMs',
  'deadlineAt',
  'deadlineFields',
  'priority',
  'idempotent',
  'replayBytes',
  'filter',
  'prefer',
  'judge',
  'transport',
]

/** Creates the call that `ServiceClient.forward` documents. @throws SdError `SD_INVALID` that names the field */
export function forwardRequest(context: ForwardContext, request: ForwardRequest, handler: ForwardHandler): ForwardControl {
  checkKnownKeys('', request, keys)
  const method = checkMethod(request.method)
  const path = checkPath(request.path)
  const { service, rawHeaders = [], cleanHeaders, hasBody = false, body, upgrade, hashKey, filter, prefer, judge } = request
  const { deadlineAt = Number.POSITIVE_INFINITY, deadlineFields, priority, idempotent, transport } = request
  const entry = context.entryOf(service, method, path)
  const { timeoutMs } = entry.settings
  const { headTimeoutMs = timeoutMs, idleTimeoutMs = timeoutMs, maxDurationMs = 0, replayBytes = 65_536 } = request
  checkDuration('headTimeoutMs', headTimeoutMs)
  checkDuration('idleTimeoutMs', idleTimeoutMs)
  checkDuration('maxDurationMs', maxDurationMs)
  checkInteger('replayBytes', replayBytes, { min: 0, max: 2 ** 31 })
  if (typeof deadlineAt !== 'number' || Number.isNaN(deadlineAt))
    throw invalidError('deadlineAt', deadlineAt, 'a number from performance.now(), such as readDeadline returns')
  if (body !== undefined && hasBody) throw invalidError('body', 'a body beside hasBody', 'only one of body and hasBody')
  contentTypeOf(body)
  if (priority !== undefined) checkOneOf('priority', priority, ['critical', 'default', 'batch'])
  if (cleanHeaders !== undefined && !Array.isArray(cleanHeaders))
    throw invalidError('cleanHeaders', cleanHeaders, 'a list of names and values in turn')
  if (idempotent !== undefined) checkBoolean('idempotent', idempotent)
  if (transport !== undefined) checkFunction('transport.send', transport.send)
  if (upgrade !== undefined) checkUpgrade(upgrade)
  if (filter !== undefined) checkFunction('filter', filter)
  if (prefer !== undefined) checkFunction('prefer', prefer)
  if (judge !== undefined) checkFunction('judge', judge)
  if (deadlineFields !== undefined) checkFunction('deadlineFields', deadlineFields)
  checkFunction('handler.onError', handler.onError)
  const pushed = hasBody ? new PushedBody(replayBytes) : undefined
  const limits = { headTimeoutMs, idleTimeoutMs, maxDurationMs, deadlineAt }
  const parts = { body, pushed, upgrade, hashKey, filter, prefer, judge, priority, idempotent, transport, deadlineFields }
  const { headers } = entry.settings
  const fields = cleanHeaders ? new RawHeaders(cleanHeaders, headers, true) : RawHeaders.copy(rawHeaders, headers)
  const init = { entry, method, path, rawHeaders: fields, limits, ...parts }
  const forwarding = new Forwarding(context, init, handler)
  forwarding.begin()
  return forwarding
}

/** The value is sent in a header field: it must be one line. The error does not quote it. */
function checkUpgrade(upgrade: unknown): void {
  if (typeof upgrade === 'string' && upgrade !== '' && isFieldValue(upgrade)) return
  throw invalidError('upgrade', describeKind(upgrade), 'the name of a protocol, such as websocket')
}
