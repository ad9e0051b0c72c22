import { type ConfigEntry, createBackoff, SdError, sleep, type WritableConfigSource, withTimeout } from '@sd/core'
import { type Log, type LogOptions, readLog } from './log.ts'
import { reconcile } from './reconcile.ts'
import type { ConfigVersion, OutcomeBody, RecordBody, VersionBody } from './record.ts'
import { createWriteReport } from './write-report.ts'

/** Options of {@link createWriter}. */
export interface WriterOptions extends LogOptions {
  /** Source of the configuration. */
  readonly source: WritableConfigSource
  /** Key of the entry. */
  readonly key: string
  /** Time limit of the write to the source, in milliseconds. */
  readonly writeTimeoutMs: number
}

/** Creates the next version from the current log. @throws SdError if that is not possible */
export type Draft = (log: Log) => Pick<VersionBody, 'change' | 'author' | 'comment' | 'of' | 'content'>

/** Writes versions. One operation at a time. */
export interface Writer {
  /** Writes a version: the record, then the source, then the outcome. */
  write(draft: Draft, signal: AbortSignal): Promise<ConfigVersion>
  /** Records changes outside the history, unless another writer's write is in progress. */
  sync(signal: AbortSignal): Promise<Log>
}

/** Codes of errors after which a write has changed nothing, see `WritableConfigSource.put`. After other errors it may have. */
const withoutEffect: readonly string[] = ['SD_CONFLICT', 'SD_DENIED', 'SD_INVALID', 'SD_TOO_LARGE', 'SD_UNSUPPORTED']

/** A write that is pending for this multiple of its time limit was interrupted: its writer has given up before. */
const patience = 3

/** Creates the writer of a history. */
export function createWriter(options: WriterOptions): Writer {
  const { source, key, writeTimeoutMs } = options
  const report = createWriteReport(source.name, key)
  /** Hash of a version that this writer has given up on, so it need not wait for it. */
  let abandoned: string | undefined
  /** A pending version of another writer, and when it was first seen, by `performance.now()`. */
  let watched: { readonly hash: string; readonly since: number } | undefined

  async function loadEntry(signal: AbortSignal): Promise<ConfigEntry | undefined> {
    const { entries } = await source.load({ signal })
    return entries.find((entry) => entry.key === key)
  }

  /** Records what has happened since the log was written. */
  async function record(log: Log, settled: readonly RecordBody[], signal: AbortSignal): Promise<void> {
    if (await log.append(settled, { signal })) report.settled(log, settled)
  }

  /** Whether another writer can be between record and outcome. */
  function isBusy({ pending }: Log): boolean {
    if (!pending || pending.hash === abandoned) return false
    if (watched?.hash !== pending.hash) watched = { hash: pending.hash, since: performance.now() }
    const limitMs = patience * writeTimeoutMs
    // The clock of the writer can differ from ours; then the time since the first sighting decides.
    return Date.now() - pending.timeMs < limitMs && performance.now() - watched.since < limitMs
  }

  async function writeSource({ content, author, comment }: VersionBody, base: string | null, outer: AbortSignal): Promise<void> {
    await withTimeout({ timeoutMs: writeTimeoutMs, what: `${source.name}: writing ${key}`, signal: outer }, async (signal) => {
      const write = { ifRevision: base, author, comment, signal }
      await (content === null ? source.delete(key, write) : source.put(key, content, write))
    })
  }

  /** Records the outcome of a version. @returns false if that failed; the next use then settles it */
  async function settle(outcome: OutcomeBody, hash: string, signal: AbortSignal): Promise<boolean> {
    try {
      return await repeat(signal, async () => {
        const log = await readLog(options, { signal })
        const found = log.versions.find((version) => version.hash === hash)
        if (found?.state === outcome.state) return true
        return (await log.append([outcome], { signal })) && true
      })
    } catch {
      abandoned = hash
      return false
    }
  }

  /** One attempt. `undefined` if it must be repeated, because another writer was faster. */
  async function attempt(draft: Draft, signal: AbortSignal): Promise<ConfigVersion | undefined> {
    const log = await readLog(options, { signal })
    if (isBusy(log)) return undefined
    const entry = await loadEntry(signal)
    const settled = reconcile(log, entry)
    if (settled.length > 0) {
      // Recorded separately, so that the draft is created from the true state.
      await record(log, settled, signal)
      return undefined
    }
    const base = entry?.revision ?? null
    const body: VersionBody = { type: 'version', version: log.nextVersion, ...draft(log), base }
    const { version } = body
    const added = await log.append([body], { signal })
    if (!added) return undefined
    const { type: _, base: __, ...said } = body
    const { hash, timeMs } = added
    try {
      await writeSource(body, base, signal)
    } catch (error) {
      // The outcome is unknown for now, and this writer need not wait for itself.
      abandoned = hash
      if (!(error instanceof SdError) || !withoutEffect.includes(error.code)) throw error
      const isConflict = error.code === 'SD_CONFLICT'
      // A source that retried can conflict with its own first attempt.
      const isThere = isConflict && ((await loadEntry(signal))?.content ?? null) === body.content
      if (!isThere) {
        await settle({ type: 'outcome', version, state: 'failed' }, hash, signal)
        if (isConflict) return undefined
        throw error
      }
    }
    report.written(said, hash)
    const isSettled = await settle({ type: 'outcome', version, state: 'written' }, hash, signal)
    return { ...said, state: isSettled ? 'written' : 'pending', timeMs, hash }
  }

  return {
    write: (draft, signal) => repeat(signal, () => attempt(draft, signal)),
    sync: (signal) =>
      repeat(signal, async () => {
        const log = await readLog(options, { signal })
        if (isBusy(log)) return log
        const settled = reconcile(log, await loadEntry(signal))
        if (settled.length === 0) return log
        await record(log, settled, signal)
        return undefined
      }),
  }
}

/** Repeats attempts until one succeeds or the signal aborts. */
async function repeat<T>(signal: AbortSignal, attempt: () => Promise<T | undefined>): Promise<T> {
  const backoff = createBackoff({ baseMs: 20, maxMs: 500 })
  for (;;) {
    const result = await attempt()
    if (result !== undefined) return result
    await sleep(backoff.next(), signal, true)
  }
}
