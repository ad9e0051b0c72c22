import { checkDuration, checkFunction, checkInteger, checkKnownKeys } from '@sd/core'
import type { ForwardControl, ForwardHandler, ForwardRequest } from './forward.ts'
import { type ForwardContext, Forwarding } from './forwarding.ts'
import { PushedBody } from './pushed-body.ts'
import { checkMethod, checkPath } from './request-check.ts'

const keys = [
  'service',
  'method',
  'path',
  'rawHeaders',
  'hasBody',
  'upgrade',
  'hashKey',
  'headTimeoutMs',
  'idleTimeoutMs',
  'maxDurationMs',
  'replayBytes',
  'filter',
  'judge',
]

/** Makes the call that `ServiceClient.forward` documents. @throws SdError `SD_INVALID` that names the field */
export function forwardRequest(context: ForwardContext, request: ForwardRequest, handler: ForwardHandler): ForwardControl {
  checkKnownKeys('', request, keys)
  const method = checkMethod(request.method)
  const path = checkPath(request.path)
  const { service, rawHeaders = [], hasBody = false, upgrade, hashKey, filter, judge } = request
  const entry = context.entryOf(service, method, path)
  const { timeoutMs } = entry.settings
  const { headTimeoutMs = timeoutMs, idleTimeoutMs = timeoutMs, maxDurationMs = 0, replayBytes = 65_536 } = request
  checkDuration('headTimeoutMs', headTimeoutMs)
  checkDuration('idleTimeoutMs', idleTimeoutMs)
  checkDuration('maxDurationMs', maxDurationMs)
  checkInteger('replayBytes', replayBytes, { min: 0, max: 2 ** 31 })
  if (filter !== undefined) checkFunction('filter', filter)
  if (judge !== undefined) checkFunction('judge', judge)
  checkFunction('handler.onError', handler.onError)
  const pushed = hasBody ? new PushedBody(replayBytes) : undefined
  const limits = { headTimeoutMs, idleTimeoutMs, maxDurationMs }
  const init = { entry, method, path, rawHeaders, pushed, upgrade, hashKey, filter, judge, limits }
  return new Forwarding(context, init, handler).start()
}
