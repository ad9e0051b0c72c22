import { createHash } from 'node:crypto'
import { appendFileSync, existsSync, globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { root } from '../gate.ts'
import { keyText } from './equivalents.ts'
import type { Mutant } from './mutants.ts'
import type { Verdict } from './run-package.ts'

/** A stored verdict, with the versions that it is valid for. */
interface Kept extends Verdict {
  readonly key: string
  /** Hash of the mutant's source. */
  readonly source: string
  /** Hash of all tests that could notice it. */
  readonly tested: string
}

/** Stores the verdicts of one package in its coverage folder, so that a run can continue an interrupted one. */
export interface VerdictStore {
  /** A verdict of an earlier run that is still valid: the source is the same and, if no test noticed the mutant, the tests are too. */
  readonly find: (mutant: Mutant) => Verdict | undefined
  readonly add: (mutant: Mutant, verdict: Verdict) => void
}

/**
 * Opens the store of a package.
 *
 * @param tests absolute paths of the packages whose tests are run
 * @param isResumed whether it has the verdicts of an earlier run
 */
export function openVerdicts(folder: string, tests: readonly string[], isResumed: boolean): VerdictStore {
  const path = join(root, 'packages', folder)
  const file = join(path, 'coverage/mutation.ndjson')
  const hashes = new Map<string, string>()
  const hashOf = (source: string): string => {
    const known = hashes.get(source) ?? hash(readFileSync(join(path, source), 'utf8'))
    hashes.set(source, known)
    return known
  }
  const testFiles = tests.flatMap((cwd) =>
    globSync(['src/**/*.test.ts', 'src/**/testing/*'], { cwd })
      .sort()
      .map((test) => readFileSync(join(cwd, test), 'utf8')),
  )
  const tested = hash(testFiles.join())
  const known = new Map<string, Kept>()
  if (isResumed && existsSync(file)) {
    for (const line of readFileSync(file, 'utf8').split('\n').filter(Boolean)) {
      const kept = JSON.parse(line) as Kept
      known.set(kept.key, kept)
    }
  } else {
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, '')
  }
  return {
    find({ key }) {
      const kept = known.get(keyText(key))
      if (kept?.source !== hashOf(key.file)) return undefined
      return kept.status === 'killed' || kept.tested === tested ? kept : undefined
    },
    add({ key }, { status, tests }) {
      const kept: Kept = { key: keyText(key), source: hashOf(key.file), tested, status, tests }
      appendFileSync(file, `${JSON.stringify(kept)}\n`)
    },
  }
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('base64url').slice(0, 16)
}
