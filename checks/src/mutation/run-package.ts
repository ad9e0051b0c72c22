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

/** What became of a mutant. */
export interface Verdict {
  readonly status: Status
  /** The test that failed; or, of one that survived, the test files that reach it, with the number of their tests. */
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

/** A test file, run once without a mutant. */
interface Baseline {
  readonly file: string
  readonly tests: readonly TestResult[]
  readonly reached: ReadonlyMap<string, ReadonlySet<number>>
}

/** What runs of one package share. */
interface Context {
  readonly options: RunOptions
  /** Absolute path of the package. */
  readonly path: string
  readonly pool: MutationPool
  readonly files: Map<string, Baseline>
  /** Test files whose tests need each other: run as a whole. */
  readonly whole: Set<string>
  /** Tests that are known to pass alone. */
  readonly trusted: Set<string>
}

/** How a package is run. */
export interface RunOptions {
  /** Absolute paths of packages whose unit tests are run too. @default none */
  readonly testedBy?: readonly string[]
  /** How many processes run tests at a time. */
  readonly workers: number
  /** Least limit of a test with a mutant in effect, in milliseconds; on top of it comes a multiple of what it took without. @default 2_000 */
  readonly leastTimeoutMs?: number
  /** What it may take to load a test file, in milliseconds. @default 5_000 */
  readonly loadMs?: number
}

/** Limits with a mutant in effect: this many times what it took without. */
const slowdown = 3
/** Durations between which tests are run together, in milliseconds. */
const speedsMs = [300, 3_000, Number.POSITIVE_INFINITY]
const baselineTimeoutMs = 120_000

/** Reads and mutates all sources of a package. No file is left out but tests and what is for tests. */
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
    // A worker of vitest is started for each specification; which files it runs is decided here.
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
      // What a test file prints while a mutant is in effect is of no use.
      reporters: [{}],
      exclude: ['**/*.integration.test.ts', '**/node_modules/**'],
      setupFiles: [join(root, 'vitest.setup.ts'), fileURLToPath(new URL('hooks.ts', import.meta.url))],
      pool: pool.initializer,
      // It would know sources by their text, and not see that the operators have changed.
      fsModuleCache: false,
      maxWorkers: workers,
      includeTaskLocation: false,
    },
    {
      plugins: [{ name: 'mutants', enforce: 'pre', transform: (_, id) => textFor(sources, id) }],
    },
  )
}

/** The text of a source as a worker asks for it. */
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

/** The tests of a file that reach a mutant: all, if the file does so while it loads. */
function testsReaching({ tests, reached }: Baseline, { id }: Mutant): readonly TestResult[] {
  if (reached.get('')?.has(id)) return tests
  return tests.filter((test) => reached.get(test.id)?.has(id))
}

async function judge(context: Context, mutant: Mutant): Promise<Verdict> {
  const covering = [...context.files.values()].flatMap((baseline) =>
    bySpeed(testsReaching(baseline, mutant)).map((tests) => ({ baseline, tests })),
  )
  if (covering.length === 0) return { status: 'not covered', tests: [] }
  // What is over soonest first, and the tests of the file itself before others like them.
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

/** Groups tests that take about as long as each other: a limit that the slowest needs would be long for all, and most mutants die of a quick one. */
function bySpeed(tests: readonly TestResult[]): readonly (readonly TestResult[])[] {
  const groups = new Map<number, TestResult[]>()
  for (const test of tests) {
    const level = speedsMs.findIndex((limitMs) => test.durationMs < limitMs)
    groups.set(level, [...(groups.get(level) ?? []), test])
  }
  return [...groups.values()]
}

const durationOf = (tests: readonly TestResult[]): number => tests.reduce((sum, { durationMs }) => sum + durationMs, 0)

/** Runs tests of one file with a mutant: the name of the one that failed, if any did. */
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
  // What fails alone without a mutant too says nothing of the mutant.
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
