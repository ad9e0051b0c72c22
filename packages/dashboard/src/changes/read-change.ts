import {
  checkBoolean,
  checkDuration,
  checkInteger,
  checkKnownKeys,
  checkName,
  checkNumber,
  checkObject,
  checkOneOf,
  checkText,
  invalidError,
} from '@sd/core'
import type { ChangeAction, ChangeRequest } from '../protocol.ts'

type Body = Readonly<Record<string, unknown>>
type Reader = (value: unknown, field: string) => unknown

const longestReason = 500
const longestName = 1_000

const name: Reader = (value, field) => checkName(field, value, longestName)
const optionalName: Reader = (value, field) => (value === undefined ? undefined : checkName(field, value, longestName))
const entry = { source: name, key: name }

/** The fields of each change, beside `action` and `reason`. */
const fields: Readonly<Record<ChangeAction, Readonly<Record<string, Reader>>>> = {
  'config.rollback': {
    ...entry,
    version: (value, field) => checkInteger(field, value, { min: 1, max: Number.MAX_SAFE_INTEGER }),
    ifVersion: (value, field) => checkInteger(field, value, { min: 0, max: Number.MAX_SAFE_INTEGER }),
  },
  'canary.retarget': { ...entry, share: (value, field) => checkNumber(field, value, { min: 0, max: 100 }) },
  'canary.promote': entry,
  'canary.abort': entry,
  'alerts.silence': {
    processId: name,
    rule: name,
    labels: (value, field) => (value === undefined ? undefined : checkLabels(field, value)),
    durationMs: (value, field) => checkDuration(field, value, 1_000),
  },
  'alerts.unsilence': { processId: name, id: name },
  breaker: {
    processId: name,
    service: name,
    instanceId: optionalName,
    state: (value, field) => checkOneOf(field, value, ['open', 'closed', 'isolated']),
  },
  draining: { processId: name, draining: (value, field) => checkBoolean(field, value) },
  deregister: { service: name, instanceId: name },
}

/** Checks the body of a change. @throws SdError `SD_INVALID` that names the field */
export function readChange(body: Body): ChangeRequest {
  const action = checkOneOf('action', body['action'], Object.keys(fields) as ChangeAction[])
  const wanted = fields[action]
  checkKnownKeys('', body, ['action', 'reason', ...Object.keys(wanted)])
  const reason = typeof body['reason'] === 'string' ? body['reason'].trim() : body['reason']
  if (reason === '') throw invalidError('reason', reason, 'a reason: it is kept with the change')
  checkText('reason', reason, longestReason)
  const read: Record<string, unknown> = { action, reason }
  for (const [field, check] of Object.entries(wanted)) {
    const value = check(body[field], field)
    if (value !== undefined) read[field] = value
  }
  return read as unknown as ChangeRequest
}

function checkLabels(field: string, value: unknown): unknown {
  const labels = Object.entries(checkObject(field, value))
  if (labels.length > 50) throw invalidError(field, `${labels.length} labels`, 'at most 50 labels')
  for (const [label, text] of labels) checkText(`${field}.${label}`, text, 1_000)
  return value
}
