import type { Staleness } from '@sd/core'
import { formatAge } from '../duration.ts'
import { type Line, styled } from '../output/view.ts'

/** Since when and why a watch shows old values, for JSON. */
export function toStaleData(stale: Staleness | undefined): {
  readonly stale?: { readonly since: number; readonly code: string; readonly message: string }
} {
  if (!stale) return {}
  const { since, error } = stale
  return { stale: { since, code: error.code, message: error.message } }
}

/** The same in a sentence, or no line. */
export function describeStale(stale: Staleness | undefined, now: number): readonly Line[] {
  if (!stale) return []
  return [
    styled(
      'yellow',
      `The registry has not answered for ${formatAge(now - stale.since)}; this is its last answer. ${stale.error.message}`,
    ),
  ]
}
