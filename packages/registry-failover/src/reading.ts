import { abortError, type ReadOnlyRegistry, SdError, toSdError, withTimeout } from '@sd/core'
import type { Member } from './member.ts'
import type { MemberPool } from './member-pool.ts'
import { combine, type Merger, type Part } from './merge.ts'

/** A read from members. */
export interface Question<T> {
  /** Name of the operation, for messages. */
  readonly what: string
  /** The caller's signal. */
  readonly signal: AbortSignal | undefined
  /** Reads from one member. */
  readonly ask: (member: Member, signal: AbortSignal) => Promise<T>
}

/**
 * Reads from several members at once, each within the limit. A failure of a healthy member triggers a ping. @throws
 * SdError `SD_ABORTED`
 */
export async function queryEach<T>(
  pool: MemberPool,
  members: readonly Member[],
  { what, signal, ask }: Question<T>,
): Promise<readonly Part<{ readonly result: T }>[]> {
  const { operationTimeoutMs: timeoutMs } = pool.settings
  const parts = await Promise.all(
    members.map(async (member) => {
      const subject = `${what} of ${member.settings.name}`
      try {
        return { value: { result: await withTimeout({ timeoutMs, what: subject, signal }, async (limit) => ask(member, limit)) } }
      } catch (caught) {
        const error = toSdError(caught, 'SD_UNAVAILABLE', subject)
        if (error.retryable && member.health.state === 'healthy') void member.probe()
        return { error }
      }
    }),
  )
  if (signal?.aborted) throw abortError(signal, what)
  return parts
}

/**
 * Reads from the current members and merges the results. @throws SdError if there is neither a complete nor a non-empty
 * result
 */
export async function readMerged<T>(
  pool: MemberPool,
  merger: Merger<T>,
  question: Omit<Question<T>, 'ask'> & { readonly ask: (source: ReadOnlyRegistry, signal: AbortSignal) => Promise<T> },
): Promise<T> {
  const { what, signal } = question
  if (pool.reading.length === 0) {
    await withTimeout({ timeoutMs: pool.settings.operationTimeoutMs, what, signal }, () => pool.settled())
  }
  const parts = await queryEach(pool, pool.reading, {
    what,
    signal,
    ask: ({ settings }, limit) => question.ask(settings.source, limit),
  })
  const found = combine(
    parts.map(({ value, error }) => ({ value: value?.result, error })),
    merger,
  )
  if (found && 'value' in found) return found.value
  throw found?.error ?? new SdError('SD_UNAVAILABLE', `${what}: no member is selected yet`)
}
