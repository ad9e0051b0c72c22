import type { ConfigEntry } from '@sd/core'
import type { Log } from './log.ts'
import type { OutcomeBody, RecordBody, TrackedVersion } from './record.ts'

/** Records for events since the log was written: the outcome of an interrupted write, and a change outside the history. */
export function reconcile(log: Log, entry: ConfigEntry | undefined): readonly RecordBody[] {
  const bodies: RecordBody[] = []
  const { pending } = log
  const outcome = pending && outcomeOf(pending, entry)
  if (outcome) bodies.push(outcome)
  const live = outcome?.state === 'written' ? pending : log.live
  const content = entry?.content ?? null
  if (content !== (live?.content ?? null)) {
    const { author, comment } = entry ?? {}
    bodies.push({
      type: 'version',
      version: log.nextVersion,
      change: 'external',
      author,
      comment,
      base: live?.base ?? null,
      content,
    })
  }
  return bodies
}

/** Outcome of an interrupted write, determined from the source. */
function outcomeOf({ version, content, base }: TrackedVersion, entry: ConfigEntry | undefined): OutcomeBody {
  const isThere = (entry?.content ?? null) === content
  const isUntouched = (entry?.revision ?? null) === base
  return { type: 'outcome', version, state: isThere ? 'written' : isUntouched ? 'failed' : 'unknown' }
}
