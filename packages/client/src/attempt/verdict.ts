import type { ResponseVerdict } from '@sd/core'

const good: ResponseVerdict = { ok: true }
const bad: ResponseVerdict = { ok: false }

/** The verdict on the instance. Shared objects: each exchange needs one. */
export function verdictOf(isFailure: boolean): ResponseVerdict {
  return isFailure ? bad : good
}
