import { type OperationOptions, SdError } from '@sd/core'
import { type ChainAnchor, readChain } from './chain.ts'
import {
  type CheckpointBody,
  createRecord,
  type Hash,
  type HistoryRecord,
  type RecordBody,
  type TrackedVersion,
} from './record.ts'
import type { HistoryStore } from './store.ts'
import { liveOf, versionsOf } from './versions.ts'

/** Options of {@link readLog}. */
export interface LogOptions {
  /** Store of the log. */
  readonly store: HistoryStore
  /** Hashes records. */
  readonly hash: Hash
  /** Hash that the first record refers to. */
  readonly genesis: string
  /** Maximum number of versions. */
  readonly maxVersions: number
}

/** A history at one moment, to which records can be added. */
export interface Log {
  /** All versions, oldest first. */
  readonly versions: readonly TrackedVersion[]
  /** The version that the source should have. */
  readonly live: TrackedVersion | undefined
  /** The version whose write can be in progress. There is at most one, because nothing is added before it is settled. */
  readonly pending: TrackedVersion | undefined
  /** Number of the next version. */
  readonly nextVersion: number
  /**
   * Adds all records or none.
   *
   * @returns the last one; `undefined` if another writer has added records since the read
   * @throws SdError `SD_TOO_LARGE`, and errors of the store
   */
  append(bodies: readonly RecordBody[], operation: OperationOptions): Promise<HistoryRecord | undefined>
}

/** Reads a log. @throws SdError `SD_MALFORMED` if its chain is broken, and errors of the store */
export async function readLog(options: LogOptions, operation: OperationOptions): Promise<Log> {
  const { store, hash, genesis } = options
  const { text, revision } = await store.read(operation)
  const { records, head, problem } = readChain(text, hash, genesis)
  if (problem) {
    throw new SdError(
      'SD_MALFORMED',
      `The history in ${store.name} is broken at line ${problem.line}: ${problem.reason} (see verify)`,
    )
  }
  const versions = versionsOf(records)

  return {
    versions,
    live: liveOf(versions),
    pending: versions.findLast(({ state }) => state === 'pending'),
    nextVersion: (versions.at(-1)?.version ?? 0) + 1,
    async append(bodies, operation) {
      const { cut, added } = fit(options, { records, versions, head }, bodies)
      const isDone =
        cut === 0
          ? await store.append(textOf(added), revision, operation)
          : await store.replace(textOf([...records.slice(cut), ...added]), revision, operation)
      return isDone ? added.at(-1) : undefined
    },
  }
}

function link({ hash }: LogOptions, head: ChainAnchor, bodies: readonly RecordBody[]): readonly HistoryRecord[] {
  const records: HistoryRecord[] = []
  let { sequence, hash: previous } = head
  for (const body of bodies) {
    const record = createRecord(hash, { sequence: sequence + 1, previous, timeMs: Date.now(), body })
    records.push(record)
    sequence = record.sequence
    previous = record.hash
  }
  return records
}

function textOf(records: readonly HistoryRecord[]): string {
  return records.map(({ line }) => `${line}\n`).join('')
}

/** Space for checkpoint and outcome besides two versions, in bytes. */
const marginBytes = 2_048

interface Recorded {
  readonly records: readonly HistoryRecord[]
  readonly versions: readonly TrackedVersion[]
  readonly head: ChainAnchor
}

/** The records to add, and the number of oldest records to drop for them. Drops whole versions; keeps the last and the live one. */
function fit(
  options: LogOptions,
  recorded: Recorded,
  bodies: readonly RecordBody[],
): { readonly cut: number; readonly added: readonly HistoryRecord[] } {
  const { store, maxVersions } = options
  const { records, head } = recorded
  // The live version and the next one must always fit together, so that every written version can be replaced.
  const isTooLong = byteLength(link(options, head, bodies)) > (store.maxBytes - marginBytes) / 2
  let bytes = byteLength(records)
  let cut = 0
  for (const boundary of isTooLong ? [] : boundariesOf(records, bodies)) {
    bytes -= byteLength(records.slice(cut, boundary))
    cut = boundary
    const added = link(options, head, [...checkpointsOf(recorded, cut), ...bodies])
    const all = versionsOf([...records.slice(cut), ...added])
    if (all.length <= maxVersions && bytes + byteLength(added) <= store.maxBytes) return { cut, added }
  }
  throw new SdError(
    'SD_TOO_LARGE',
    `The version is too large for the history in ${store.name}, whose limit is ${store.maxBytes} bytes for two versions`,
  )
}

/** Places where records can be cut: before a version. All can be dropped only if another version continues the numbers. */
function boundariesOf(records: readonly HistoryRecord[], added: readonly RecordBody[]): readonly number[] {
  const starts = records.flatMap(({ body }, index) => (body.type === 'version' && index > 0 ? [index] : []))
  return [0, ...starts, ...(added.some(({ type }) => type === 'version') ? [records.length] : [])]
}

/** The checkpoint for dropped records, if any. It contains the live version, unless that is among the kept records. */
function checkpointsOf({ records, versions }: Recorded, cut: number): readonly CheckpointBody[] {
  const last = records[cut - 1]
  if (!last) return []
  const live = liveOf(versions)
  const isKept = records.slice(cut).some(({ hash }) => hash === live?.hash)
  return [{ type: 'checkpoint', sequence: last.sequence, hash: last.hash, live: isKept ? undefined : live }]
}

function byteLength(records: readonly HistoryRecord[]): number {
  return records.reduce((sum, { line }) => sum + Buffer.byteLength(line) + 1, 0)
}
