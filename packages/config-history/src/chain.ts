import { type CheckpointBody, type Hash, type HistoryRecord, parseRecord } from './record.ts'

/** One place in the chain. */
export interface ChainAnchor {
  /** Number of a record; 0 for the start of the chain. */
  readonly sequence: number
  /** Hash of the record. */
  readonly hash: string
}

/** First broken place of a chain. */
export interface ChainProblem {
  /** Line in the store, from 1. */
  readonly line: number
  /** Expected number of the record. */
  readonly sequence: number
  /** The problem. */
  readonly reason: string
}

/** A history that was read. */
export interface Chain {
  /** The records up to the first problem. */
  readonly records: readonly HistoryRecord[]
  /** The last valid record, which the next one refers to. */
  readonly head: ChainAnchor
  /** The first problem, if any. */
  readonly problem?: ChainProblem
  /** Whether the last line has no line end: an append was interrupted. It was not confirmed, so it is ignored. */
  readonly isTorn: boolean
}

/** Reads a history and verifies every link. @param genesis see `genesisOf` */
export function readChain(text: string, hash: Hash, genesis: string): Chain {
  const lines = text.split('\n')
  const isTorn = lines.pop() !== ''
  const records: HistoryRecord[] = []
  let head: ChainAnchor = { sequence: 0, hash: genesis }
  for (const [index, line] of lines.entries()) {
    const record = parseRecord(hash, line)
    // Whether this start is valid is checked at the end.
    if (index === 0 && typeof record !== 'string') head = { sequence: record.sequence - 1, hash: record.previous }
    const reason = typeof record === 'string' ? record : mismatchOf(record, head)
    if (typeof record === 'string' || reason !== undefined) {
      const problem = { line: index + 1, sequence: head.sequence + 1, reason: reason ?? '' }
      return { records, head, problem, isTorn }
    }
    records.push(record)
    head = record
  }
  const start = records.findLast(({ body }) => body.type === 'checkpoint')?.body as CheckpointBody | undefined
  const { sequence, hash: sum } = start ?? { sequence: 0, hash: genesis }
  const [first] = records
  if (first && (first.sequence !== sequence + 1 || first.previous !== sum)) {
    const reason = 'earlier records are missing, or it is the history of another key'
    return { records, head, problem: { line: 1, sequence: sequence + 1, reason }, isTorn }
  }
  return { records, head, isTorn }
}

function mismatchOf(record: HistoryRecord, head: ChainAnchor): string | undefined {
  if (record.sequence !== head.sequence + 1) return `the record has number ${record.sequence}`
  return record.previous === head.hash ? undefined : 'the record does not refer to the previous one'
}

/** Finds problems that reading a chain does not: a truncated end, and a missing anchor. */
export function findProblem(
  { records, head, problem, isTorn }: Chain,
  anchor: ChainAnchor | undefined,
): ChainProblem | undefined {
  if (problem) return problem
  const line = records.length + 1
  if (isTorn) return { line, sequence: head.sequence + 1, reason: 'the last line is truncated' }
  if (!anchor) return undefined
  const [first] = records
  const start = first ? { sequence: first.sequence - 1, hash: first.previous } : head
  const found = [start, ...records].find(({ sequence }) => sequence === anchor.sequence)
  if (found?.hash === anchor.hash) return undefined
  if (found)
    return {
      line: Math.max(found.sequence - start.sequence, 1),
      sequence: found.sequence,
      reason: 'the record differs from the anchor',
    }
  const reason = anchor.sequence > head.sequence ? 'records up to the anchor are missing' : 'the record of the anchor was dropped'
  return { line: anchor.sequence > head.sequence ? line : 1, sequence: anchor.sequence, reason }
}
