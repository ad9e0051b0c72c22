import type { ResponseVerdict } from '@sd/core'

const good: ResponseVerdict = { ok: true }
const bad: ResponseVerdict = { ok: false }

/** What a response says of its instance. Made once: each exchange has one. */
export function verdictOf(isFailure: boolean): ResponseVerdict {
  return isFailure ? bad : good
}
