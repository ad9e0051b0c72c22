import { masking } from '@sd/core'

/** Objects whose keys are names that users chose, so that a key can name a secret. */
const maskedByName = new Set(['metadata', 'labels', 'details'])

/**
 * Writes a value as JSON without secrets. Everything that the dashboard sends passes here, although its sources mask too: one
 * source that forgets to must not show a password.
 */
export function safeJson(value: unknown): string {
  const json = JSON.stringify(value, (key, inner: unknown) => {
    if (typeof inner === 'bigint') return String(inner)
    return maskedByName.has(key) && typeof inner === 'object' ? masking.value(inner) : inner
  })
  return masking.line(json ?? 'null')
}
