import type { ListedEquivalents } from './equivalents.ts'
import type { Mutant } from './mutants.ts'
import type { Status, Verdict } from './run-package.ts'

/** Result of the mutation run of a package. */
export interface PackageReport {
  /** One line: the score and its parts. */
  readonly summary: string
  /** Problems that a contributor has to solve. */
  readonly problems: readonly string[]
  /** The mutants that no test noticed, one line each. */
  readonly survivors: readonly string[]
}

/** Minimum score, in percent. */
const leastScore = 85
/** Maximum share of mutants listed as equivalent, in percent. */
const mostEquivalent = 8

/** Judges the verdicts of a package. The score is killed / (all − equivalent): a mutant that reached a time limit is
 * not killed.
 *
 * @param isWhole whether all mutants were run; otherwise no score is required
 */
export function reportOn(
  folder: string,
  verdicts: ReadonlyMap<Mutant, Verdict>,
  { mutants: equivalents, problems: listProblems }: ListedEquivalents,
  isWhole: boolean,
): PackageReport {
  const counts: Record<Status, number> = { killed: 0, survived: 0, 'not covered': 0, 'timed out': 0 }
  const survivors: string[] = []
  const noticed: string[] = []
  let equivalent = 0
  for (const [mutant, verdict] of verdicts) {
    if (equivalents.has(mutant)) {
      equivalent += 1
      if (verdict.status === 'killed')
        noticed.push(`${describe(folder, mutant)} is listed as equivalent, but killed by ${verdict.tests}`)
      continue
    }
    counts[verdict.status] += 1
    if (verdict.status !== 'killed') survivors.push(`${describe(folder, mutant)} [${verdict.status}] ${covering(verdict)}`)
  }
  const all = verdicts.size - equivalent
  const score = percent(counts.killed, all)
  const share = percent(equivalent, verdicts.size)
  const parts = Object.entries(counts).map(([status, count]) => `${count} ${status}`)
  const summary = `${folder}: ${score.toFixed(1)} % of ${all} mutants (${parts.join(', ')}), and ${equivalent} equivalent (${share.toFixed(1)} %)`
  const problems = [...listProblems.map((problem) => `packages/${folder}/equivalent-mutants.json: ${problem}`), ...noticed]
  if (isWhole && score < leastScore) problems.push(`${folder}: want ${leastScore} %`, ...survivors)
  if (isWhole && share > mostEquivalent) problems.push(`${folder}: want at most ${mostEquivalent} % listed as equivalent`)
  return { summary, problems, survivors }
}

const percent = (part: number, all: number): number => (all === 0 ? 100 : (100 * part) / all)

function describe(folder: string, { key, lineNumber }: Mutant): string {
  return `packages/${folder}/${key.file}:${lineNumber} ${key.operator} ${key.function ? `in ${key.function} ` : ''}\`${key.change}\``
}

const covering = ({ tests }: Verdict): string => (tests.length > 0 ? `reached by ${tests.join(', ')}` : 'reached by no test')
