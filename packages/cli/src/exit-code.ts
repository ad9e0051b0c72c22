import type { SdErrorCode } from '@sd/core'

/** Exit codes of `sdctl`. */
export const EXIT = {
  /** Everything is fine. */
  fine: 0,
  /** The command found something wrong, or did nothing because the answer was no. */
  problem: 1,
  /** Wrong usage, or something that the backend does not support. */
  usage: 2,
  /** A backend can't be reached. */
  unreachable: 3,
  /** A backend refuses the credentials, or the context may not write. */
  denied: 4,
  /** Interrupted, as for other programs. */
  interrupted: 130,
} as const

const codes: Partial<Record<SdErrorCode, number>> = {
  SD_INVALID: EXIT.usage,
  SD_UNSUPPORTED: EXIT.usage,
  SD_UNAVAILABLE: EXIT.unreachable,
  SD_TIMEOUT: EXIT.unreachable,
  SD_DEADLINE_EXCEEDED: EXIT.unreachable,
  SD_DENIED: EXIT.denied,
  SD_ABORTED: EXIT.interrupted,
}

/** The exit code for an error. */
export function exitCodeOf(code: SdErrorCode): number {
  return codes[code] ?? EXIT.problem
}
