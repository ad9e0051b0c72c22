import { ADMIN_PATH, type ProcessSnapshot } from '@sd/admin'
import { readSnapshot } from '../wire/read-snapshot.ts'
import type { AdminClient } from './admin-client.ts'
import { noteAnswer, noteFailure, type ProcessEntry } from './process-table.ts'

/** Largest answer to a poll. */
const maxBytes = 1_024 * 1_024

/** Options of {@link pollProcesses}. */
export interface PollOptions {
  readonly client: AdminClient
  readonly concurrency: number
  readonly timeoutMs: number
  readonly intervalMs: number
  readonly signal: AbortSignal
  /** Receives each new snapshot, with the previous one and the time when it was read. */
  readonly onSnapshot: (
    entry: ProcessEntry,
    previous: { readonly snapshot: ProcessSnapshot; readonly at: number } | undefined,
  ) => void
}

/** Asks each process once. Its result is in the entry; it never rejects. @returns number of received bytes */
export async function pollProcesses(entries: readonly ProcessEntry[], options: PollOptions): Promise<number> {
  const { client, timeoutMs, intervalMs, signal, onSnapshot } = options
  let bytes = 0

  async function poll(entry: ProcessEntry): Promise<void> {
    const { target, etag, snapshot: before, answeredAt = 0 } = entry
    try {
      const response = await client.send(target, { path: `${ADMIN_PATH}/snapshot`, maxBytes, timeoutMs, etag, signal })
      bytes += response.bytes
      const snapshot = response.body === undefined ? undefined : readSnapshot(response.body, '')
      noteAnswer(entry, snapshot, response.etag, Date.now())
      if (snapshot) onSnapshot(entry, before && { snapshot: before, at: answeredAt })
    } catch (error) {
      if (!signal.aborted) noteFailure(entry, error, Date.now(), intervalMs)
    }
  }

  await forEachLimited(entries, options.concurrency, async (entry) => {
    if (!signal.aborted) await poll(entry)
  })
  return bytes
}

/** Runs `operation`, which must not reject, for each item, at most `limit` at once. */
export async function forEachLimited<T>(
  items: readonly T[],
  limit: number,
  operation: (item: T) => Promise<void>,
): Promise<void> {
  const rest = items.values()
  const work = async (): Promise<void> => {
    for (const item of rest) await operation(item)
  }
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, work))
}
