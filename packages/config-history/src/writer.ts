import { type ConfigEntry, createBackoff, SdError, sleep, type WritableConfigSource, withTimeout } from '@sd/core'
import { type Log, type LogOptions, readLog } from './log.ts'
import { reconcile } from './reconcile.ts'
import type { ConfigVersion, OutcomeBody, VersionBody } from './record.ts'

/** What a writer works on. */
export interface WriterOptions extends LogOptions {
  /** The configuration. */
  readonly source: WritableConfigSource
  /** Key of its entry. */
  readonly key: string
  /** Limit of the write to the source, in milliseconds. */
  readonly writeTimeoutMs: number
}

/** Makes the next version, from what is there. @throws SdError if it can't be made from that */
export type Draft = (log: Log) => Pick<VersionBody, 'change' | 'author' | 'comment' | 'of' | 'content'>

/** Writes versions. One operation at a time. */
export interface Writer {
  /** Writes a version: first its record, then the source, then the outcome. */
  write(draft: Draft, signal: AbortSignal): Promise<ConfigVersion>
  /** Records what has happened past the history, unless a write of somebody else is under way. */
  sync(signal: AbortSignal): Promise<Log>
}

/** Codes of a source whose write has changed nothing, see `WritableConfigSource.put`. After others it may have. */
const withoutEffect: readonly string[] = ['SD_CONFLICT', 'SD_DENIED', 'SD_INVALID', 'SD_TOO_LARGE', 'SD_UNSUPPORTED']

/** A write that is seen pending for as many times its own limit was cut off: its writer has given up long ago. */
const patience = 3

/** Makes the writer of a history. */
export function createWriter(options: WriterOptions): Writer {
  const { source, key, writeTimeoutMs } = options
  /** Hash of a version that this writer has given up on: nobody needs to wait for it. */
  let givenUp: string | undefined
  /** A version that somebody else has not finished, and since when it is seen, by `performance.now()`. */
  let watched: { readonly hash: string; readonly since: number } | undefined

  async function loadEntry(signal: AbortSignal): Promise<ConfigEntry | undefined> {
    const { entries } = await source.load({ signal })
    return entries.find((entry) => entry.key === key)
  }

  /** Whether somebody else may be between record and outcome. */
  function isBusy({ pending }: Log): boolean {
    if (!pending || pending.hash === givenUp) return false
    if (watched?.hash !== pending.hash) watched = { hash: pending.hash, since: performance.now() }
    const limitMs = patience * writeTimeoutMs
    // The clock of the writer may differ from ours; then the time that we have seen it for decides.
    return Date.now() - pending.timeMs < limitMs && performance.now() - watched.since < limitMs
  }

  async function writeSource({ content, author, comment }: VersionBody, base: string | null, outer: AbortSignal): Promise<void> {
    await withTimeout({ timeoutMs: writeTimeoutMs, what: `${source.name}: writing ${key}`, signal: outer }, async (signal) => {
      const write = { ifRevision: base, author, comment, signal }
      await (content === null ? source.delete(key, write) : source.put(key, content, write))
    })
  }

  /** Records what became of a version. @returns whether it could; else the next use finds out */
  async function settle(outcome: OutcomeBody, hash: string, signal: AbortSignal): Promise<boolean> {
    try {
      return await repeat(signal, async () => {
        const log = await readLog(options, { signal })
        const found = log.versions.find((version) => version.hash === hash)
        if (found?.state === outcome.state) return true
        return (await log.append([outcome], { signal })) && true
      })
    } catch {
      givenUp = hash
      return false
    }
  }

  /** One attempt. `undefined` if it must be made again, because others came first. */
  async function attempt(draft: Draft, signal: AbortSignal): Promise<ConfigVersion | undefined> {
    const log = await readLog(options, { signal })
    if (isBusy(log)) return undefined
    const entry = await loadEntry(signal)
    const settled = reconcile(log, entry)
    if (settled.length > 0) {
      // On its own, so that the draft is made from what is true.
      await log.append(settled, { signal })
      return undefined
    }
    const base = entry?.revision ?? null
    const body: VersionBody = { type: 'version', version: log.nextVersion, ...draft(log), base }
    const { version } = body
    const record = await log.append([body], { signal })
    if (!record) return undefined
    const { type: _, base: __, ...said } = body
    const { hash, timeMs } = record
    try {
      await writeSource(body, base, signal)
    } catch (error) {
      // Until somebody knows better; nobody needs to wait for us.
      givenUp = hash
      if (!(error instanceof SdError) || !withoutEffect.includes(error.code)) throw error
      const isConflict = error.code === 'SD_CONFLICT'
      // A source that tried twice may have lost against itself.
      const isThere = isConflict && ((await loadEntry(signal))?.content ?? null) === body.content
      if (!isThere) {
        await settle({ type: 'outcome', version, state: 'failed' }, hash, signal)
        if (isConflict) return undefined
        throw error
      }
    }
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
        await log.append(settled, { signal })
        return undefined
      }),
  }
}

/** Tries until it is done; the signal limits it. */
async function repeat<T>(signal: AbortSignal, attempt: () => Promise<T | undefined>): Promise<T> {
  const backoff = createBackoff({ baseMs: 20, maxMs: 500 })
  for (;;) {
    const result = await attempt()
    if (result !== undefined) return result
    await sleep(backoff.next(), signal, true)
  }
}
