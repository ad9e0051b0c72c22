import { existsSync, globSync, readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { type GateResult, root, runCommand } from './gate.ts'
import { MEMBERS } from './workspace.ts'

/** The used parts of vitest's JSON report. */
interface TestReport {
  readonly numPassedTests: number
  readonly numFailedTests: number
  readonly numPendingTests: number
  readonly testResults: readonly { readonly name: string; readonly assertionResults: readonly { readonly status: string }[] }[]
}

/** A note of a test file about a server it needs. */
interface ServerNote {
  readonly server: string
  readonly version?: string
}

/** Runs three times as many packages at once as there are cores, because tests mostly wait for servers. */
const turboOptions = ['--continue', '--output-logs=errors-only', `--concurrency=${3 * availableParallelism()}`]

/** Minimum line coverage, in percent. The same as in vitest.package.ts, which checks it if no server is missing. */
const leastCovered = 90

/**
 * Runs the tests of every package, or uses the results that turbo has cached, and adds up the counts.
 * `SD_TEST_PACKAGES` in the environment selects packages by folder.
 *
 * @param servers available servers: part of the cache key, so that results of runs without them are not reused
 * @param missing missing servers: packages that need one of them have no threshold of coverage
 * @param options with `coverage`, every package has its threshold, and no result is reused
 */
export async function runTests(
  servers: string,
  missing: string,
  { coverage = false }: { readonly coverage?: boolean } = {},
): Promise<GateResult> {
  const chosen = (process.env['SD_TEST_PACKAGES'] ?? '').split(' ').filter(Boolean)
  const filters = chosen.map((folder) => `--filter=./packages/${folder}`)
  const force = coverage ? ['--force'] : []
  const { code, output } = await runCommand('turbo', ['run', 'test', ...turboOptions, ...force, ...filters], {
    timeoutMs: 2_400_000,
    env: { SD_TEST_SERVERS: servers, SD_TEST_MISSING: missing, SD_TEST_COVERAGE: String(coverage) },
  })
  let passed = 0
  let failed = 0
  const rows: string[] = []
  const uncovered: string[] = []
  const notRun: string[] = []
  const isCi = process.env['CI'] === 'true'
  const wanted = chosen.length > 0 ? `packages/{${chosen.join(',')},}` : MEMBERS
  for (const file of globSync(`${wanted}/coverage/tests.json`, { cwd: root })) {
    const report = JSON.parse(readFileSync(join(root, file), 'utf8')) as TestReport
    const folder = dirname(dirname(file))
    const notes = readServerNotes(folder)
    const isShort = notes.some(({ version }) => version === undefined)
    passed += report.numPassedTests
    failed += report.numFailedTests
    // Tests that this machine can't run, because a server or privilege is missing, are listed. With CI=true they are failures; missing
    // servers are reported by their own gate.
    if (isCi) failed += isShort ? 0 : report.numPendingTests
    else if (!isShort && report.numPendingTests > 0)
      notRun.push(`NOT RUN: ${report.numPendingTests} of ${folder}: not possible on this machine`)
    if (notes.length > 0) rows.push(describe(folder, notes, report))
    if (coverage && missing !== '' && !isShort) uncovered.push(...checkCoverage(folder))
  }
  const notes = [...notRun, ...(rows.length > 0 ? ['Tests on real servers:', ...rows.sort()] : [])]
  if (code === 0 && failed === 0) return { passed, problems: uncovered, notes }
  return { passed, problems: [output, ...new Array<string>(Math.max(0, failed - 1)).fill('(in the output above)')], notes }
}

function checkCoverage(folder: string): readonly string[] {
  const file = join(root, folder, 'coverage/coverage-summary.json')
  if (!existsSync(file)) return []
  const { total } = JSON.parse(readFileSync(file, 'utf8')) as { readonly total: { readonly lines: { readonly pct: number } } }
  const { pct } = total.lines
  return pct < leastCovered ? [`${folder}: ${pct} % line coverage, want at least ${leastCovered}`] : []
}

function readServerNotes(folder: string): readonly ServerNote[] {
  const file = join(root, folder, 'coverage/servers.ndjson')
  if (!existsSync(file)) return []
  const lines = new Set(readFileSync(file, 'utf8').trim().split('\n'))
  return [...lines].map((line) => JSON.parse(line) as ServerNote)
}

function describe(folder: string, notes: readonly ServerNote[], { testResults }: TestReport): string {
  const results = testResults.filter(({ name }) => name.includes('.integration.test.'))
  const statuses = results.flatMap(({ assertionResults }) => assertionResults.map(({ status }) => status))
  const run = statuses.filter((status) => status === 'passed' || status === 'failed').length
  const servers = notes
    .filter(({ server, version }) => server !== 'toxiproxy' || version === undefined)
    .map(({ server, version }) => `${server} ${version ?? 'MISSING'}`)
  const missing = statuses.length > run ? `, ${statuses.length - run} NOT RUN` : ''
  return `  ${basename(folder).padEnd(22)} ${servers.join(', ').padEnd(34)} ${String(run).padStart(4)} run${missing}`
}
