import { globSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createVitest, type Vitest } from 'vitest/node'
import { root } from '../gate.ts'
import { type Mutant, type MutatedSource, mutate } from './mutants.ts'
import { createMutationPool, type MutationPool } from './pool.ts'
import type { Job, JobResult, TestResult } from './protocol.ts'

/** How a mutant ended. */
export type Status = 'killed' | 'survived' | 'not covered' | 'timed out'

/** The verdict on a mutant. */
export interface Verdict {
  readonly status: Status
  /** The test that failed; for a survivor the test files that reach it, with the number of their tests. */
  readonly tests: readonly string[]
}

/** The sources of a package with their mutants. */
export interface MutatedPackage {
  /** Absolute path of its folder. */
  readonly path: string
  readonly mutants: readonly Mutant[]
  /** By absolute path. */
  readonly sources: ReadonlyMap<string, MutatedSource>
}

/** A test file, after a run without a mutant. */
interface Baseline {
  readonly file: string
  readonly tests: readonly TestResult[]
  readonly reached: ReadonlyMap<string, ReadonlySet<number>>
}

/** The state that the runs of one package share. */
interface Context {
  readonly options: RunOptions
  /** Absolute path of the package. */
  readonly path: string
  readonly pool: MutationPool
  readonly files: Map<string, Baseline>
  /** Test files with dependent tests, which run as a whole. */
  readonly whole: Set<string>
  /** Tests that pass alone. */
  readonly trusted: Set<string>
}

/** Options of the run of a package. */
export interface RunOptions {
  /** Absolute paths of packages whose unit tests are run too. @default none */
  readonly testedBy?: readonly string[]
  /** Number of concurrent processes that run tests. */
  readonly workers: number
  /** Minimum time limit of a test with a mutant in effect, in milliseconds; a multiple of its time without one is added. @default 2_000 */
  readonly leastTimeoutMs?: number
  /** Time limit for loading a test file, in milliseconds. @default 5_000 */
  readonly loadMs?: number
}

/** Multiple of the time without a mutant, for limits with one in effect. */
const slowdown = 3
/** Boundaries of the duration groups in which tests run together, in milliseconds. */
const speedsMs = [300, 3_000, Number.POSITIVE_INFINITY]
const baselineTimeoutMs = 120_000

/** Reads and mutates all sources of a package except tests and their helpers. */
export function readMutants(path: string): MutatedPackage {
  const mutants: Mutant[] = []
  const sources = new Map<string, MutatedSource>()
  for (const file of globSync('src/**/*.ts', { cwd: path }).sort()) {
    if (/\.test\.ts$|\/testing\//.test(file)) continue
    const mutated = mutate(file, readFileSync(join(path, file), 'utf8'), mutants.length + 1)
    mutants.push(...mutated.mutants)
    sources.set(join(path, file), mutated)
  }
  return { path, mutants, sources }
}

/**
 * Runs the unit tests of a package on each of `chosen`, only those tests that reach it.
 *
 * @throws {Error} if a test fails without any mutant
 */
export async function runMutants(
  { path, sources }: MutatedPackage,
  chosen: readonly Mutant[],
  options: RunOptions,
  onVerdict: (mutant: Mutant, verdict: Verdict) => void,
): Promise<void> {
  const { workers } = options
  const pool = createMutationPool()
  const vitest = await start(path, sources, pool, workers)
  let running: Promise<unknown> | undefined
  try {
    const specifications = await vitest.globTestSpecifications()
    const files = [...specifications.map(({ moduleId }) => moduleId), ...(options.testedBy ?? []).flatMap(findUnitTests)]
    if (files.length === 0) {
      for (const mutant of chosen) onVerdict(mutant, { status: 'not covered', tests: [] })
      return
    }
    // vitest starts a worker for each specification. The files that it runs are selected here.
    const started = Array.from({ length: workers }, (_, index) => specifications[index % specifications.length])
    running = vitest.runTestSpecifications(started.filter((one) => one !== undefined))
    const context: Context = { options, path, pool, files: new Map(), whole: new Set(), trusted: new Set() }
    await forEach(
      files,
      workers,
      async (file) => void context.files.set(file, await runBaseline(pool, file, new Set(sources.keys()))),
    )
    await forEach(chosen, workers, async (mutant) => onVerdict(mutant, await judge(context, mutant)))
  } finally {
    pool.end()
    await running
    await vitest.close()
  }
}

function findUnitTests(path: string): readonly string[] {
  const files = globSync('src/**/*.test.ts', { cwd: path, exclude: ['**/*.integration.test.ts'] })
  return files.map((file) => join(path, file))
}

async function start(
  path: string,
  sources: ReadonlyMap<string, MutatedSource>,
  pool: MutationPool,
  workers: number,
): Promise<Vitest> {
  return createVitest(
    'test',
    {
      root: path,
      config: join(root, 'vitest.package.ts'),
      watch: false,
      // The output of a test file with a mutant in effect is not useful.
      reporters: [{}],
      exclude: ['**/*.integration.test.ts', '**/node_modules/**'],
      setupFiles: [join(root, 'vitest.setup.ts'), fileURLToPath(new URL('hooks.ts', import.meta.url))],
      pool: pool.initializer,
      // It identifies sources by their text, so it would miss a change of the operators.
      fsModuleCache: false,
      // No mutant may be left in a module for the next file.
      isolate: true,
      maxWorkers: workers,
      includeTaskLocation: false,
    },
    {
      plugins: [{ name: 'mutants', enforce: 'pre', transform: (_, id) => textFor(sources, id) }],
    },
  )
}

/** The text of a source for a worker. */
function textFor(sources: ReadonlyMap<string, MutatedSource>, id: string): string | null {
  const [, file = '', query, mutant] = /^(.*)\?(recording|mutant=(\d+))$/.exec(id) ?? []
  const source = sources.get(file)
  if (!source || query === undefined) return null
  return mutant === undefined ? source.recording() : source.withMutant(Number(mutant))
}

async function runBaseline(pool: MutationPool, file: string, recorded: ReadonlySet<string>): Promise<Baseline> {
  const result = await pool.run({ file, testTimeoutMs: baselineTimeoutMs, recorded }, 10 * baselineTimeoutMs)
  if (typeof result === 'string') throw new Error(`${file} ${result} without a mutant`)
  const failed = result.tests.find(({ state }) => state !== 'passed')
  const problem = failed ? `${failed.name}: ${failed.message}` : result.errors[0]
  if (problem !== undefined) throw new Error(`${file} fails without a mutant: ${problem}`)
  return { file, tests: result.tests, reached: new Map([...result.reached].map(([id, numbers]) => [id, new Set(numbers)])) }
}

/** The tests of a file that reach a mutant; all of them if the file reaches it while it loads. */
function testsReaching({ tests, reached }: Baseline, { id }: Mutant): readonly TestResult[] {
  if (reached.get('')?.has(id)) return tests
  return tests.filter((test) => reached.get(test.id)?.has(id))
}

async function judge(context: Context, mutant: Mutant): Promise<Verdict> {
  const covering = [...context.files.values()].flatMap((baseline) =>
    bySpeed(testsReaching(baseline, mutant)).map((tests) => ({ baseline, tests })),
  )
  if (covering.length === 0) return { status: 'not covered', tests: [] }
  // The fastest first, and the tests of the file itself before others of the same duration.
  const own = basename(mutant.key.file, '.ts')
  const cost = ({ baseline, tests }: (typeof covering)[number]): number =>
    durationOf(tests) * (basename(baseline.file).startsWith(`${own}.`) ? 0.1 : 1)
  covering.sort((a, b) => cost(a) - cost(b))
  let isTimedOut = false
  for (const { baseline, tests } of covering) {
    const killer = await runOn(context, mutant, baseline, tests)
    if (killer === 'timed out') isTimedOut = true
    else if (killer !== undefined) return { status: 'killed', tests: [`${basename(baseline.file)}: ${killer}`] }
  }
  const reaching = covering.map(({ baseline, tests }) => `${basename(baseline.file)} (${tests.length})`)
  return { status: isTimedOut ? 'timed out' : 'survived', tests: reaching }
}

/** Groups tests of a similar duration: the limit of the slowest would be long for all, and a fast test kills most mutants. */
function bySpeed(tests: readonly TestResult[]): readonly (readonly TestResult[])[] {
  const groups = new Map<number, TestResult[]>()
  for (const test of tests) {
    const level = speedsMs.findIndex((limitMs) => test.durationMs < limitMs)
    groups.set(level, [...(groups.get(level) ?? []), test])
  }
  return [...groups.values()]
}

const durationOf = (tests: readonly TestResult[]): number => tests.reduce((sum, { durationMs }) => sum + durationMs, 0)

/** Runs tests of one file with a mutant. @returns the name of the failed test, if any */
async function runOn(
  context: Context,
  mutant: Mutant,
  baseline: Baseline,
  reaching: readonly TestResult[],
): Promise<string | undefined> {
  const { file } = baseline
  const tests = context.whole.has(file) ? baseline.tests : reaching
  const result = await runTests(context, mutant, baseline, tests)
  if (result === 'timed out' || result === 'crashed') return 'timed out'
  const failed = result.tests.find(({ state }) => state === 'failed')
  if (!failed && result.errors.length === 0) {
    return result.tests.some(({ state }) => state === 'timed out') ? 'timed out' : undefined
  }
  // A test that also fails alone without a mutant proves nothing.
  const name = failed?.name ?? `(${result.errors[0]?.split('\n')[0]})`
  const culprits = failed ? baseline.tests.filter(({ id }) => id === failed.id) : tests
  const key = `${file} ${failed?.id}`
  if (context.whole.has(file) || (failed && context.trusted.has(key))) return name
  const clean = await runTests(context, undefined, baseline, culprits)
  const passes = typeof clean !== 'string' && clean.errors.length === 0 && clean.tests.every(({ state }) => state === 'passed')
  if (passes && failed) context.trusted.add(key)
  if (passes) return name
  context.whole.add(file)
  return runOn(context, mutant, baseline, reaching)
}

function runTests(
  { options, path, pool, whole }: Context,
  mutant: Mutant | undefined,
  { file, tests: all }: Baseline,
  tests: readonly TestResult[],
): Promise<JobResult | 'timed out' | 'crashed'> {
  const { leastTimeoutMs = 2_000, loadMs = 5_000 } = options
  const longestMs = Math.max(0, ...tests.map(({ durationMs }) => durationMs))
  const testTimeoutMs = Math.ceil(leastTimeoutMs + slowdown * longestMs)
  const limitMs = loadMs + slowdown * durationOf(tests) + testTimeoutMs
  const isWhole = whole.has(file) || tests.length === all.length
  const job: Job = {
    file,
    testTimeoutMs,
    recorded: new Set(),
    ...(mutant && { mutant: { id: mutant.id, source: join(path, mutant.key.file) } }),
    ...(!isWhole && { testIds: tests.map(({ id }) => id) }),
  }
  return pool.run(job, limitMs)
}

async function forEach<T>(items: readonly T[], limit: number, work: (item: T) => Promise<void>): Promise<void> {
  const queue = [...items]
  const workers = Array.from({ length: limit }, async () => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item)
  })
  await Promise.all(workers)
}
