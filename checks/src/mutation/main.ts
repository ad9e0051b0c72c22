import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { type GateResult, root } from '../gate.ts'
import { findEquivalents, keyText, readEquivalents } from './equivalents.ts'
import type { Mutant } from './mutants.ts'
import { reportOn } from './report.ts'
import { readMutants, runMutants, type Verdict } from './run-package.ts'
import { openVerdicts } from './verdict-store.ts'

/** The packages that the run covers. */
const covered =
  /^(core|adapter-kit|breaker-kit|rate-limit-kit|client|discovery|config|balancer-.*|retry|hedge|breaker-opossum|breaker-cockatiel)$/

/** Packages that test a kit in addition to its own tests, because they run the contract suites. The suites depend on the kits, so the kits cannot run them. */
const testedBy: Readonly<Record<string, readonly string[]>> = {
  'adapter-kit': ['registry-memory', 'testing'],
  'breaker-kit': ['breaker-cockatiel', 'breaker-opossum'],
  'rate-limit-kit': ['rate-limit-memory'],
}

/** Selects the mutants. */
interface Choice {
  readonly file: string | undefined
  /** Share of all mutants, from 0 to 1. */
  readonly sample: number
  readonly seed: string
  /** Changed paths, relative to the root. Undefined: all. */
  readonly changed: ReadonlySet<string> | undefined
}

/**
 * Changes the sources of packages in small ways, one at a time, and expects a test to fail.
 * @param args folders of packages (default: all covered ones) and options, see CONTRIBUTING.md, "Mutation run"
 */
export async function runMutation(args: readonly string[]): Promise<GateResult> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      file: { type: 'string' },
      sample: { type: 'string', default: '100%' },
      seed: { type: 'string', default: '1' },
      since: { type: 'string' },
      resume: { type: 'boolean', default: false },
      workers: { type: 'string', default: '2' },
    },
  })
  const folders =
    positionals.length > 0 ? positionals : readdirSync(join(root, 'packages')).filter((folder) => covered.test(folder))
  const choice: Choice = {
    file: values.file,
    sample: Number.parseFloat(values.sample) / 100,
    seed: values.seed,
    changed: values.since === undefined ? undefined : changedSince(values.since),
  }
  const problems: string[] = []
  const notes: string[] = []
  let passed = 0
  for (const folder of folders) {
    if (!existsSync(join(root, 'packages', folder))) throw new Error(`packages/${folder} does not exist`)
    const report = await runFolder(folder, choice, values.resume, Number(values.workers))
    if (!report) continue
    process.stdout.write(`${report.summary}\n`)
    for (const survivor of report.survivors) process.stdout.write(`  ${survivor}\n`)
    notes.push(report.summary)
    problems.push(...report.problems)
    if (report.problems.length === 0) passed += 1
  }
  return { passed, problems, notes }
}

async function runFolder(
  folder: string,
  choice: Choice,
  isResumed: boolean,
  workers: number,
): Promise<ReturnType<typeof reportOn> | undefined> {
  const mutated = readMutants(join(root, 'packages', folder))
  const chosen = mutated.mutants.filter((mutant) => isChosen(folder, mutant, choice))
  if (chosen.length === 0) return undefined
  const others = (testedBy[folder] ?? []).map((other) => join(root, 'packages', other))
  const store = openVerdicts(folder, [mutated.path, ...others], isResumed)
  const verdicts = new Map<Mutant, Verdict>()
  for (const mutant of chosen) {
    const known = store.find(mutant)
    if (known) verdicts.set(mutant, known)
  }
  const rest = chosen.filter((mutant) => !verdicts.has(mutant))
  const startedAt = performance.now()
  let done = 0
  if (rest.length > 0) {
    await runMutants(mutated, rest, { workers, testedBy: others }, (mutant, verdict) => {
      store.add(mutant, verdict)
      verdicts.set(mutant, verdict)
      done += 1
      if (done % 100 === 0) {
        const minutes = ((performance.now() - startedAt) / 60_000).toFixed(1)
        process.stdout.write(`  ${folder}: ${done} of ${rest.length} mutants after ${minutes} min\n`)
      }
    })
  }
  const inOrder = new Map([...verdicts].sort(([a], [b]) => a.id - b.id))
  const isWhole = chosen.length === mutated.mutants.length
  return reportOn(folder, inOrder, findEquivalents(readEquivalents(folder), mutated.mutants), isWhole)
}

function isChosen(folder: string, { key }: Mutant, { file, sample, seed, changed }: Choice): boolean {
  if (file !== undefined && !key.file.includes(file)) return false
  if (changed && !changed.has(`packages/${folder}/${key.file}`)) return false
  if (sample >= 1) return true
  const digest = createHash('sha256')
    .update(`${seed} ${keyText(key)}`)
    .digest()
  return digest.readUInt32BE(0) / 2 ** 32 < sample
}

function changedSince(commit: string): ReadonlySet<string> {
  const output = execFileSync('git', ['diff', '--name-only', commit, '--', 'packages'], { cwd: root, encoding: 'utf8' })
  return new Set(output.split('\n').filter(Boolean))
}
