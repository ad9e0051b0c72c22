import { existsSync, globSync, readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { type GateResult, root, runCommand } from './gate.ts'
import { MEMBERS } from './workspace.ts'

/** What of vitest's JSON report counts. */
interface TestReport {
  readonly numPassedTests: number
  readonly numFailedTests: number
  readonly numPendingTests: number
  readonly testResults: readonly { readonly name: string; readonly assertionResults: readonly { readonly status: string }[] }[]
}

/** A line of what a test file notes about the server that it asked for. */
interface ServerNote {
  readonly server: string
  readonly version?: string
}

/** Tests wait for servers more than they compute: twice as many packages at a time as there are cores. */
const turboOptions = ['--continue', '--output-logs=errors-only', `--concurrency=${2 * availableParallelism()}`]

/** Least share of lines, in percent. The same in vitest.package.ts, which checks it where no server is missing. */
const leastCovered = 90

/**
 * Runs every package's tests, with its coverage threshold, or takes what turbo has cached; adds up what they counted. With `SD_TEST_PACKAGES`
 * in the environment only those packages', by their folders.
 *
 * @param servers which servers there are: part of the cache's key, so that tests are not taken as run that had none
 * @param missing which servers there are not: packages that need one of these have no threshold
 */
export async function runTests(servers: string, missing: string): Promise<GateResult> {
  const chosen = (process.env['SD_TEST_PACKAGES'] ?? '').split(' ').filter(Boolean)
  const filters = chosen.map((folder) => `--filter=./packages/${folder}`)
  const { code, output } = await runCommand('turbo', ['run', 'test', ...turboOptions, ...filters], {
    timeoutMs: 2_400_000,
    env: { SD_TEST_SERVERS: servers, SD_TEST_MISSING: missing },
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
    // What a developer's machine can't run, for want of a server or of a privilege, is told; with CI=true it is a failure, of servers one of
    // its own.
    if (isCi) failed += isShort ? 0 : report.numPendingTests
    else if (!isShort && report.numPendingTests > 0)
      notRun.push(`NOT RUN: ${report.numPendingTests} of ${folder}: not on this machine`)
    if (notes.length > 0) rows.push(describe(folder, notes, report))
    if (missing !== '' && !isShort) uncovered.push(...checkCoverage(folder))
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
  return pct < leastCovered ? [`${folder}: ${pct} % of the lines are covered, want ${leastCovered}`] : []
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
