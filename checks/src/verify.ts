import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import { checkBareMachine } from './bare-machine.ts'
import { describeBudget } from './budgets.ts'
import { checkChangesets } from './changesets.ts'
import { checkCircles } from './circles.ts'
import { checkConventions } from './conventions.ts'
import { checkLinks, checkSnippets } from './documentation.ts'
import { checkDocumented } from './documented-exports.ts'
import { checkErrorCodes } from './error-codes.ts'
import { commandGate, type Gate, type GateResult, resultOf, root } from './gate.ts'
import { checkInstall } from './install.ts'
import { checkLayers, readMembers } from './layers.ts'
import { checkListeners } from './listeners.ts'
import { runMutation } from './mutation/main.ts'
import { checkNest } from './nest.ts'
import { checkProse } from './prose.ts'
import { checkRealTime, readTests } from './real-time.ts'
import { checkFunctionLengths, checkImportCircles, readSourceFiles } from './rooms.ts'
import { checkRuntimes } from './runtimes.ts'
import { checkTarballs } from './tarballs.ts'
import { checkServers, foundServers, missingServers } from './test-servers.ts'
import { runTests } from './tests.ts'
import { checkToolchains } from './toolchains.ts'
import { type Manifest, readPackages } from './workspace.ts'

// All gates that a contribution must pass, the most informative first. `npm test` runs this.

const packages = readPackages()
const { catalog } = parse(readFileSync(join(root, 'pnpm-workspace.yaml'), 'utf8')) as { readonly catalog: object }
const catalogNames = new Set(Object.keys(catalog))

/** Gates that must pass before anything is run. */
const first: readonly Gate[] = [
  commandGate('format and lint', 'biome', ['check', '.', '--error-on-warnings']),
  commandGate('unused code (knip)', 'knip', []),
  // One program for all packages: separate programs take ten times as long.
  commandGate('types', 'tsc', ['-p', '.']),
  commandGate('types of the page', 'tsc', ['-p', 'packages/dashboard/web']),
  commandGate('build', 'turbo', ['run', 'build', '--output-logs=errors-only']),
]

/** Prepares the servers for the tests. Builds start with the first gate and run in parallel to the others. */
const servers: Gate = { name: 'test servers', run: checkServers }

const tests: Gate = {
  name: 'tests',
  run: () => runTests([...foundServers].join(' '), [...missingServers].join(' ')),
}

/** Gates that run one after the other, in parallel to the builds of servers and the tests. */
const beside: readonly Gate[] = [
  {
    name: 'conventions',
    async run() {
      const members = readMembers()
      return resultOf(packages.length, [
        ...packages.flatMap((one) => checkConventions(one, catalogNames)),
        ...packages.flatMap(checkListeners),
        ...checkSnippetAccess(),
        ...checkRealTime(readTests()),
        ...checkCircles(members),
        ...checkLayers(members),
      ])
    },
  },
  {
    name: 'long functions and import circles',
    async run() {
      const files = readSourceFiles()
      return resultOf(files.size, [...checkFunctionLengths(files), ...checkImportCircles(files)])
    },
  },
  { name: 'error codes', run: async () => resultOf(packages.length, checkErrorCodes(packages)) },
  { name: 'documented exports', run: async () => resultOf(packages.length, packages.flatMap(checkDocumented)) },
  { name: 'snippets', run: () => checkSnippets(process.argv.slice(3)) },
  { name: 'links', run: checkLinks },
  { name: 'prose', run: checkProse },
  { name: 'changesets', run: async () => checkChangesets(packages) },
  { name: 'tarballs and sizes', run: () => checkTarballs(packages) },
  { name: 'install on Node 22, 24, 26 and Bun', run: () => checkInstall(packages) },
  { name: 'toolchains', run: () => checkToolchains(packages) },
  { name: 'bare machine', run: checkBareMachine },
]

/** Snippets run inside this package, so it must depend on every other one. */
function checkSnippetAccess(): readonly string[] {
  const { dependencies = {} } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as Manifest
  return packages
    .filter(({ manifest }) => !dependencies[manifest.name])
    .map(({ manifest }) => `checks: package.json lacks ${manifest.name}`)
}

async function runGate({ run }: Gate): Promise<GateResult> {
  try {
    return await run()
  } catch (error) {
    return { passed: 0, problems: [String((error as Error).stack)] }
  }
}

/** Result of a gate, with its duration. */
interface Outcome extends GateResult {
  readonly seconds: number
  readonly time: string
}

/** Gates that take too long for every run: run only by name, with their own options. */
const weekly: readonly Gate[] = [
  {
    name: 'coverage',
    async run() {
      await checkServers()
      return runTests([...foundServers].join(' '), [...missingServers].join(' '), { coverage: true })
    },
  },
  { name: 'mutation', run: () => runMutation(process.argv.slice(3)) },
  { name: 'nest', run: () => checkNest(packages) },
  { name: 'runtimes', run: checkRuntimes },
]

const only = process.argv[2]
const outcomes = new Map<Gate, Outcome>()

async function run(gate: Gate): Promise<void> {
  if (only !== undefined && !gate.name.startsWith(only)) return
  const startedAt = performance.now()
  const result = await runGate(gate)
  const seconds = (performance.now() - startedAt) / 1_000
  const time = `${seconds.toFixed(1)} s`
  outcomes.set(gate, { ...result, seconds, time })
  const verdict = result.problems.length === 0 ? 'ok' : 'FAILED'
  process.stdout.write(`${gate.name} … ${verdict} (${result.passed} in ${time})\n`)
  for (const problem of result.problems) process.stdout.write(`${problem.trimEnd()}\n`)
}

async function runAll(gates: readonly Gate[]): Promise<void> {
  for (const gate of gates) await run(gate)
}

const prepared = run(servers)
await runAll(first)
await Promise.all([prepared.then(() => run(tests)), runAll(beside)])
if (only !== undefined) await runAll(weekly)

let passed = 0
let failed = 0
const rows: string[] = []
const notes: string[] = []
for (const gate of [...first, servers, tests, ...beside, ...weekly]) {
  const outcome = outcomes.get(gate)
  if (!outcome) continue
  const counts = `${String(outcome.passed).padStart(5)} passed  ${String(outcome.problems.length).padStart(3)} failed`
  rows.push(`  ${gate.name.padEnd(36)} ${counts}  ${outcome.time.padStart(8)}${describeBudget(gate.name, outcome.seconds)}`)
  notes.push(...(outcome.notes ?? []))
  passed += outcome.passed
  failed += outcome.problems.length
}
if (notes.length > 0) process.stdout.write(`\n${notes.join('\n')}\n`)
process.stdout.write(`\n${rows.join('\n')}\n\n${passed} passed, ${failed} failed\n`)
process.exitCode = failed === 0 ? 0 : 1
