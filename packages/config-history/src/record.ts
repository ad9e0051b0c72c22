import { createHash, createHmac } from 'node:crypto'

/** How a version came about; `external`: by a change past the history. */
export type VersionChange = 'put' | 'delete' | 'rollback' | 'external'

/**
 * What became of a version. `pending`: its write is under way, or was cut off and nobody has looked yet. `written`: it was the configuration. `failed`: it never
 * was. `unknown`: its write was cut off and somebody else wrote since, so that it may have been, for a while.
 */
export type VersionState = 'pending' | 'written' | 'failed' | 'unknown'

/** One version of the configuration. */
export interface ConfigVersion extends Omit<VersionBody, 'type' | 'base'> {
  /** What became of it. */
  readonly state: VersionState
  /** When it was recorded, in Unix milliseconds, by the clock of its writer. */
  readonly timeMs: number
  /** Hash of its record: name it to say which version is meant, beyond doubt. */
  readonly hash: string
}

/** A version, with what only the history itself needs. */
export interface TrackedVersion extends ConfigVersion {
  /** See {@link VersionBody.base}. */
  readonly base: string | null
}

/** A version, before the source is written; an external one, after. */
export interface VersionBody {
  /** Kind of the record. */
  readonly type: 'version'
  /** Its number, from 1. */
  readonly version: number
  /** How it came about. */
  readonly change: VersionChange
  /** Who; of an external one, if the source tells. */
  readonly author?: string | undefined
  /** Why. */
  readonly comment?: string | undefined
  /** The version that a rollback went back to. */
  readonly of?: number | undefined
  /** Revision in the source that it replaces; `null` if there was no entry. */
  readonly base: string | null
  /** The text, byte for byte; `null` for no entry. */
  readonly content: string | null
}

/** What became of a version. */
export interface OutcomeBody {
  /** Kind of the record. */
  readonly type: 'outcome'
  /** Its number. */
  readonly version: number
  /** What became of it. */
  readonly state: Exclude<VersionState, 'pending'>
}

/** The oldest records were dropped. */
export interface CheckpointBody {
  /** Kind of the record. */
  readonly type: 'checkpoint'
  /** Number of the last record dropped. */
  readonly sequence: number
  /** Its hash. */
  readonly hash: string
  /** The version that the source should have, if its record was dropped. */
  readonly live?: TrackedVersion | undefined
}

/** What a record says. */
export type RecordBody = VersionBody | OutcomeBody | CheckpointBody

/** One link of the chain. */
export interface HistoryRecord {
  /** Its number, from 1, without gaps. */
  readonly sequence: number
  /** Hash of the record before. */
  readonly previous: string
  /** When it was made, in Unix milliseconds, by the clock of its writer. */
  readonly timeMs: number
  /** What it says. */
  readonly body: RecordBody
  /** Hash of all of this. */
  readonly hash: string
  /** The record as it is kept: one line of JSON, without its line end. */
  readonly line: string
}

/** Hashes a text: 64 hexadecimal digits. */
export type Hash = (text: string) => string

/** SHA-256, or HMAC-SHA-256 with a secret. */
export function createHashFunction(secret: string | undefined): Hash {
  return (text) => (secret === undefined ? createHash('sha256') : createHmac('sha256', secret)).update(text).digest('hex')
}

/** What the first record of a history has for the hash of the one before, so that histories of two keys can't be swapped. */
export function genesisOf(hash: Hash, key: string): string {
  return hash(`sd-config-history/1/${key}`)
}

const wholeLine = /^\{"hash":"(?<hash>[0-9a-f]{64})",(?<rest>.*\})$/s

/** Makes a record. Its hash is that of its line without the hash. */
export function createRecord(hash: Hash, link: Omit<HistoryRecord, 'hash' | 'line'>): HistoryRecord {
  const text = JSON.stringify(link)
  const sum = hash(text)
  return { ...link, hash: sum, line: `{"hash":"${sum}",${text.slice(1)}` }
}

/** Reads a line. @returns the record, or what is wrong with it */
export function parseRecord(hash: Hash, line: string): HistoryRecord | string {
  const { hash: sum, rest } = wholeLine.exec(line)?.groups ?? {}
  if (sum === undefined || rest === undefined) return 'it is no record'
  const text = `{${rest}`
  if (hash(text) !== sum) return 'its hash does not match: it was changed, or hashed with another secret'
  const link = parseJson(text)
  return isLink(link) ? { ...link, hash: sum, line } : 'it is a record of another format'
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
