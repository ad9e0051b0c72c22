import type { ProcessSnapshot } from '@sd/admin'
import { spread, toWireError, type WireError } from '@sd/core'
import type { FleetProcess } from '../model.ts'
import type { Target } from './targets.ts'

/** Longest time between two attempts to ask a process that does not answer. */
const maxPauseMs = 30_000

/** What is known of the process behind an admin endpoint. */
export interface ProcessEntry {
  target: Target
  state: FleetProcess['state'] | 'new'
  /** When it entered that state. */
  since: number
  lastError: WireError | undefined
  /** What it answered last; kept while it does not answer. */
  snapshot: ProcessSnapshot | undefined
  etag: string | undefined
  answeredAt: number | undefined
  /** Difference between the clock of the reader and its own. */
  clockOffsetMs: number
  /** Failed polls in a row. */
  failures: number
  /** When it may be asked again. */
  askAt: number
}

/** The admin endpoints that are polled, by origin. */
export class ProcessTable {
  readonly #entries = new Map<string, ProcessEntry>()

  /** All entries, in the order in which they were found. */
  get entries(): Iterable<ProcessEntry> {
    return this.#entries.values()
  }

  /** Adds new targets and removes those that are no longer found. @returns the removed entries */
  sync(targets: readonly Target[], now: number): readonly ProcessEntry[] {
    const wanted = new Map(targets.map((target) => [target.origin, target]))
    const removed: ProcessEntry[] = []
    for (const [origin, entry] of this.#entries) {
      if (wanted.has(origin)) continue
      this.#entries.delete(origin)
      removed.push(entry)
    }
    for (const [origin, target] of wanted) {
      const known = this.#entries.get(origin)
      if (known) known.target = target
      else this.#entries.set(origin, createEntry(target, now))
    }
    return removed
  }

  /** The entries to ask now. Those that answer come first, so that they need not wait for time limits of the others. */
  due(now: number): readonly ProcessEntry[] {
    return [...this.#entries.values()].filter(({ askAt }) => askAt <= now).sort((a, b) => a.failures - b.failures)
  }
}

function createEntry(target: Target, now: number): ProcessEntry {
  return {
    target,
    state: 'new',
    since: now,
    lastError: undefined,
    snapshot: undefined,
    etag: undefined,
    answeredAt: undefined,
    clockOffsetMs: 0,
    failures: 0,
    askAt: 0,
  }
}

/** Notes an answer. @param snapshot absent if it has not changed */
export function noteAnswer(
  entry: ProcessEntry,
  snapshot: ProcessSnapshot | undefined,
  etag: string | undefined,
  now: number,
): void {
  if (entry.state !== 'answers') entry.since = now
  entry.state = 'answers'
  entry.lastError = undefined
  entry.failures = 0
  entry.askAt = 0
  entry.answeredAt = now
  entry.etag = etag
  if (snapshot === undefined) return
  entry.snapshot = snapshot
  entry.clockOffsetMs = now - snapshot.info.now
}

/** Notes that there was no answer, or none that can be used. It is asked again after 1, 2, 4 … intervals, at most 30 s. */
export function noteFailure(entry: ProcessEntry, error: unknown, now: number, intervalMs: number): void {
  const wire = toWireError(error)
  const state = wire.code === 'SD_UNAVAILABLE' || wire.code === 'SD_TIMEOUT' ? 'silent' : 'refuses'
  if (entry.state !== state) entry.since = now
  entry.state = state
  entry.lastError = wire
  entry.etag = undefined
  entry.failures++
  const pauseMs = entry.failures === 1 ? 0 : Math.min(maxPauseMs, intervalMs * 2 ** Math.min(10, entry.failures - 2))
  entry.askAt = pauseMs === 0 ? 0 : now + spread(pauseMs)
}
