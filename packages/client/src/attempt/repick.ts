import { isIdempotent, isRepeatable, type RetryPolicy } from '@sd/core'

/** Attempts of one call, including the first. */
const maxAttempts = 3

/**
 * The default policy: tries another endpoint at once if a connection could not be made, or broke, or an attempt took
 * too long, for a request that may be repeated (RFC 9110, 9.2.2). It does not judge responses. The attempt loop takes
 * each of its attempts from the retry budget.
 */
export const repickPolicy: RetryPolicy = {
  name: 'repick',
  next({ call, attempt, error, sent, replayable }) {
    const isLost = error?.code === 'SD_UNAVAILABLE' || error?.code === 'SD_TIMEOUT'
    if (!isLost || !isRepeatable(error) || attempt >= maxAttempts) return undefined
    return !sent || (replayable && isIdempotent(call)) ? 0 : undefined
  },
}
