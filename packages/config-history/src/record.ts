import { createHash, createHmac } from 'node:crypto'

/** Kind of change. `external`: a change outside the history. */
export type VersionChange = 'put' | 'delete' | 'rollback' | 'external'

/**
 * State of a version.
 *
 * - `pending`: the write is in progress, or was interrupted and is not settled yet.
 * - `written`: it is or was the configuration.
 * - `failed`: it was never the configuration.
 * - `unknown`: the write was interrupted and another writer wrote since, so it may have been the configuration for a while.
 */
export type VersionState = 'pending' | 'written' | 'failed' | 'unknown'

/** One version of the configuration. */
export interface ConfigVersion extends Omit<VersionBody, 'type' | 'base'> {
  /** State of the version. */
  readonly state: VersionState
  /** Time of recording, in Unix milliseconds, by the clock of the writer. */
  readonly timeMs: number
  /** Hash of its record, which identifies the version unambiguously. */
  readonly hash: string
}

/** A version with internal fields of the history. */
export interface TrackedVersion extends ConfigVersion {
  /** See {@link VersionBody.base}. */
  readonly base: string | null
}

/** A version, recorded before the source is written; an external one after. */
export interface VersionBody {
  /** Kind of the record. */
  readonly type: 'version'
  /** Number of the version, from 1. */
  readonly version: number
  /** Kind of change. */
  readonly change: VersionChange
  /** Author; for an external version only if the source stores authors. */
  readonly author?: string | undefined
  /** Reason for the change. */
  readonly comment?: string | undefined
  /** The version that a rollback restored. */
  readonly of?: number | undefined
  /** Revision in the source that it replaces; `null` if there was no entry. Internal to the history. */
  readonly base: string | null
  /** The text, byte for byte; `null` if the entry is removed. */
  readonly content: string | null
}

/** Outcome of a version. */
export interface OutcomeBody {
  /** Kind of the record. */
  readonly type: 'outcome'
  /** Number of the version. */
  readonly version: number
  /** The outcome. */
  readonly state: Exclude<VersionState, 'pending'>
}

/** Marks that the oldest records were dropped. */
export interface CheckpointBody {
  /** Kind of the record. */
  readonly type: 'checkpoint'
  /** Number of the last dropped record. */
  readonly sequence: number
  /** Hash of the last dropped record. */
  readonly hash: string
  /** The version that the source should have, if its record was dropped. */
  readonly live?: TrackedVersion | undefined
}

/** Content of a record. */
export type RecordBody = VersionBody | OutcomeBody | CheckpointBody

/** One link of the chain. */
export interface HistoryRecord {
  /** Number of the record, from 1, without gaps. */
  readonly sequence: number
  /** Hash of the previous record. */
  readonly previous: string
  /** Time of creation, in Unix milliseconds, by the clock of the writer. */
  readonly timeMs: number
  /** Content. */
  readonly body: RecordBody
  /** Hash of the record. */
  readonly hash: string
  /** The record as stored: one line of JSON, without line end. */
  readonly line: string
}

/** Hashes a text to 64 hexadecimal digits. */
export type Hash = (text: string) => string

/** SHA-256, or HMAC-SHA-256 with a secret. */
export function createHashFunction(secret: string | undefined): Hash {
  return (text) => (secret === undefined ? createHash('sha256') : createHmac('sha256', secret)).update(text).digest('hex')
}

/** Previous hash of the first record of a history. It depends on the key, so that histories of two keys can't be swapped. */
export function genesisOf(hash: Hash, key: string): string {
  return hash(`sd-config-history/1/${key}`)
}

const wholeLine = /^\{"hash":"(?<hash>[0-9a-f]{64})",(?<rest>.*\})$/s

/** Creates a record. Its hash is the hash of its line without the hash. */
export function createRecord(hash: Hash, link: Omit<HistoryRecord, 'hash' | 'line'>): HistoryRecord {
  const text = JSON.stringify(link)
  const sum = hash(text)
  return { ...link, hash: sum, line: `{"hash":"${sum}",${text.slice(1)}` }
}

/** Parses a line. @returns the record, or the problem */
export function parseRecord(hash: Hash, line: string): HistoryRecord | string {
  const { hash: sum, rest } = wholeLine.exec(line)?.groups ?? {}
  if (sum === undefined || rest === undefined) return 'the line is not a record'
  const text = `{${rest}`
  if (hash(text) !== sum) return 'the hash does not match: the record was changed, or hashed with another secret'
  const link = parseJson(text)
  return isLink(link) ? { ...link, hash: sum, line } : 'the record has an unknown format'
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

type Fields = Readonly<Record<string, unknown>>

const states: readonly unknown[] = ['written', 'failed', 'unknown'] satisfies VersionState[]
const changes: readonly unknown[] = ['put', 'delete', 'rollback', 'external'] satisfies VersionChange[]

function isLink(value: unknown): value is Omit<HistoryRecord, 'hash' | 'line'> {
  if (!isFields(value)) return false
  return (
    isCount(value['sequence']) &&
    typeof value['previous'] === 'string' &&
    Number.isFinite(value['timeMs']) &&
    isBody(value['body'])
  )
}

function isBody(value: unknown): value is RecordBody {
  if (!isFields(value)) return false
  const { type, version, change, base, content, state, sequence, hash, author, comment, of, live } = value
  if (type === 'checkpoint') return isCount(sequence) && typeof hash === 'string' && (live === undefined || isLive(live))
  if (type === 'outcome') return isCount(version) && states.includes(state)
  const isText = [author, comment].every((text) => text === undefined || typeof text === 'string')
  const isContent = [base, content].every((text) => text === null || typeof text === 'string')
  return (
    type === 'version' && isCount(version) && changes.includes(change) && isText && isContent && (of === undefined || isCount(of))
  )
}

function isLive(value: unknown): value is TrackedVersion {
  if (!isFields(value) || !isBody({ ...value, type: 'version' })) return false
  return value['state'] === 'written' && Number.isFinite(value['timeMs']) && typeof value['hash'] === 'string'
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) > 0
}
