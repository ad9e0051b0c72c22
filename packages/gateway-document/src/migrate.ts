import { currentVersion } from './rules/document-rules.ts'
import { isPlainObject, mismatch, type PlainObject, type Problem } from './rules/rule.ts'

/** Receives what an author should change, though it still works. */
export type Warn = (keys: readonly string[], message: string) => void

/** Turns a document of one version into one of the next. */
export type Migration = (document: PlainObject, warn: Warn) => PlainObject

/** Versions of a document. */
export interface Versions {
  readonly current: number
  /** Migrations by the version that they read. There is one for each version before the current one. */
  readonly migrations: Readonly<Record<number, Migration>>
}

/** The released versions. A version that was released is read for ever: `fixtures` has documents of each. */
const versions: Versions = { current: currentVersion, migrations: {} }

/** A document of the current version, or what is wrong with its version. */
export type Migrated = { readonly document: PlainObject } | { readonly problem: Problem }

/** Brings a document to the current version. */
export function migrate(given: unknown, warn: Warn, { current, migrations }: Versions = versions): Migrated {
  if (!isPlainObject(given)) return { problem: { keys: [], message: mismatch(given, 'an object') } }
  const { version } = given
  const problem = problemOf(version, current)
  if (problem !== undefined) return { problem: { keys: version === undefined ? [] : ['version'], message: problem } }
  let document = given
  for (let at = version as number; at < current; at++) {
    const next = migrations[at]
    if (!next) throw new TypeError(`Version ${at} has no migration`)
    document = { ...next(document, warn), version: at + 1 }
  }
  return { document }
}

function problemOf(version: unknown, current: number): string | undefined {
  if (version === undefined) return `has no version, want version: ${current}`
  if (!Number.isInteger(version) || (version as number) < 1) return mismatch(version, `an integer from 1 to ${current}`)
  if ((version as number) <= current) return undefined
  return `is ${version}, which is newer than ${current}, the newest that this release reads: install a newer release`
}
