import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../gate.ts'
import type { Mutant, MutantKey } from './mutants.ts'

/** A mutant that behaves like the source, so that no test can notice it. */
export interface Equivalent extends MutantKey {
  /** The reason. */
  readonly reason: string
}

/** The mutants of a package that are listed as equivalent, and the problems of the list. */
export interface ListedEquivalents {
  readonly mutants: ReadonlySet<Mutant>
  readonly problems: readonly string[]
}

/** File in which a package lists them. */
const equivalentsFile = (folder: string): string => join(root, 'packages', folder, 'equivalent-mutants.json')

/** Reads the list of a package; it is empty if there is no file. */
export function readEquivalents(folder: string): readonly Equivalent[] {
  const file = equivalentsFile(folder)
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as readonly Equivalent[]) : []
}

/** Finds the listed mutants by their keys, which do not depend on line numbers. */
export function findEquivalents(listed: readonly Equivalent[], mutants: readonly Mutant[]): ListedEquivalents {
  const byKey = new Map(mutants.map((mutant) => [keyText(mutant.key), mutant]))
  const found = new Set<Mutant>()
  const problems: string[] = []
  for (const { reason, ...key } of listed) {
    const mutant = byKey.get(keyText(key))
    const place = `${key.file} ${key.function} ${key.operator} ${key.change}`
    if (!mutant) problems.push(`no mutant matches this entry of the equivalents: ${place}`)
    else if (found.has(mutant)) problems.push(`listed as equivalent twice: ${place}`)
    else found.add(mutant)
    if (!reason) problems.push(`listed as equivalent without a reason: ${place}`)
  }
  return { mutants: found, problems }
}

/** A key as one text. */
export function keyText(key: MutantKey): string {
  return JSON.stringify([key.file, key.function, key.operator, key.line, key.change, key.occurrence ?? 1])
}
