import type { ConfigHistory, ConfigVersion } from '@sd/config-history'
import { type ConfigEntry, SdError } from '@sd/core'
import type { WriteContext } from '../command.ts'
import { loadEntry } from './entries.ts'

/** What was written: a version of the history, if there is a place for histories. */
export interface WrittenEntry {
  readonly version?: number
  readonly state: string
}

/**
 * Writes an entry through its history, or without one where there is no place for histories. Nothing is overwritten that was not
 * shown.
 *
 * @param shown the entry when the change was shown
 * @param write writes a new version, and gets the number of the current one
 * @param content the text for a source without histories
 * @throws SdError `SD_CONFLICT` if the entry has changed since
 */
export async function writeEntry(
  context: WriteContext,
  key: string,
  shown: ConfigEntry | undefined,
  write: (history: ConfigHistory, options: VersionNotes) => Promise<ConfigVersion>,
  content: string,
): Promise<WrittenEntry> {
  const { signal, author, reason: comment } = context
  const history = await openHistory(context, key)
  if (!history) {
    const source = await context.openWritableConfig()
    await source.put(key, content, { author, comment, signal, ifRevision: shown?.revision ?? null })
    return { state: 'written' }
  }
  // Reads the source too: a change from elsewhere is a version of its own.
  const [live] = (await history.list({ signal })).filter(({ state }) => state === 'written')
  if ((live?.content ?? null) !== (shown?.content ?? null))
    throw new SdError('SD_CONFLICT', `${key} has changed since it was shown; nothing was written`)
  const { version, state } = await write(history, { author, comment, signal, ifVersion: live?.version ?? 0 })
  return { version, state }
}

/** Notes of a new version. */
export interface VersionNotes {
  readonly author: string
  readonly comment: string
  readonly signal: AbortSignal
  readonly ifVersion: number
}

async function openHistory(context: WriteContext, key: string): Promise<ConfigHistory | undefined> {
  try {
    return await context.openWritableHistory(key)
  } catch (error) {
    if (error instanceof SdError && error.code === 'SD_UNSUPPORTED') return undefined
    throw error
  }
}

/** Reads the entry as it is now, to show what a change does. */
export async function readShown(
  context: Pick<WriteContext, 'openConfig' | 'signal'>,
  key: string,
): Promise<ConfigEntry | undefined> {
  return loadEntry(await context.openConfig(), key, context.signal)
}

/** What was written, in a sentence. */
export function describeWritten(key: string, { version, state }: WrittenEntry): string {
  if (version === undefined) return `${key} was written. There is no place for histories, so it has no version.`
  return state === 'pending'
    ? `Version ${version} of ${key} was written, but not yet recorded as such.`
    : `Version ${version} of ${key} was written.`
}
