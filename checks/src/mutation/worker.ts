import { init, runBaseTests, setupEnvironment } from 'vitest/worker'
import { type Cleaner, createCleaner } from './cleaner.ts'
import type { Job, JobMessage, JobResult, TestResult, WorkerMessage } from './protocol.ts'

// A process that runs vitest test files with one mutant in effect, one after the other. Each job evaluates the
// modules again, in the same process and from the same text.

type RunTests = Parameters<typeof init>[0]['runTests']
type State = Parameters<RunTests>[0]
type Traces = Parameters<RunTests>[1]

/** The parts of vitest's tasks that are read. */
interface Task {
  readonly id: string
  readonly type: string
  readonly name: string
  readonly tasks?: readonly Task[]
  readonly result?: Result
}
interface Result {
  readonly state: string
  readonly duration?: number
  readonly errors?: readonly { readonly message: string }[]
}

/** The original, before a test replaces it. */
const send = process.send?.bind(process)
const { setImmediate, setTimeout } = globalThis
const jobs: ((job: Job) => void)[] = []

process.on('message', (message: Partial<JobMessage>) => {
  if (message.mutation === 'job' && message.job) jobs.shift()?.(message.job)
})

let cleaner: Cleaner | undefined

/** Modules that this process has evaluated. */
let evaluated: State['evaluatedModules'] | undefined

/** Removes the cached text of sources that a job changes, before and after the job. */
function forgetChanged({ mutant, recorded }: Job): void {
  for (const source of mutant ? [...recorded, mutant.source] : recorded) {
    for (const module of evaluated?.getModulesByFile(source) ?? []) evaluated?.invalidateModule(module)
  }
}

/** Text of vitest's error for a test or hook that took too long. */
const timeoutMessage = /^(Test|Hook) timed out in /

async function runJob(state: State, traces: Traces, job: Job): Promise<JobResult> {
  forgetChanged(job)
  const recorder = createRecorder()
  const names = new Map<string, string>()
  const results = new Map<string, Result>()
  const errors: string[] = []
  const collect = (task: Task): void => {
    if (task.type === 'test') names.set(task.id, task.name)
    else if (task.result?.errors) results.set(task.id, task.result)
    task.tasks?.forEach(collect)
  }
  const failures = (): readonly Result[] => [...results.values()].filter((result) => result.state === 'fail')
  // Reports of vitest to its main process stay here.
  const reports: Readonly<Record<string, (...args: never[]) => unknown>> = {
    // Vitest would use these without requesting the mutated source.
    fetchWarmModules: () => ({}),
    // Here vitest has set up the process, and has not loaded a test file yet.
    onQueued() {
      cleaner ??= createCleaner()
    },
    onCollected: (files: readonly Task[]) => files.forEach(collect),
    onTaskUpdate(packs: readonly (readonly [string, Result | undefined])[]) {
      for (const [id, result] of packs) if (result) results.set(id, result)
    },
    onUnhandledError: (error: { readonly message?: string }) => void errors.push(String(error?.message ?? error)),
    onUserConsoleLog: () => {},
    onTestModuleDependencies: () => {},
    onAfterSuiteRun: () => {},
    onCancel: () => {},
    // A run ends with the first failure, but not with the first test that took too long: another one may still fail.
    getCountOfFailedTests: () => (failures().every(isTimeout) && failures().length > 0 ? Number.NEGATIVE_INFINITY : 0),
  }
  const rpc = new Proxy(state.rpc, {
    get: (target, name: string) => {
      const report = reports[name]
      if (report) return Object.assign(async (...args: never[]) => report(...args), { asEvent: report })
      return name === 'fetch' ? fetchFor(job, target as never) : Reflect.get(target, name)
    },
  })
  const config = {
    ...state.config,
    testTimeout: job.testTimeoutMs,
    hookTimeout: job.testTimeoutMs,
    bail: job.recorded.size === 0 ? 1 : 0,
  }
  const files = [{ filepath: job.file, ...(job.testIds && { testIds: [...job.testIds] }) }]
  const jobState = { ...state, rpc, config, ctx: { ...state.ctx, rpc, config, files } } as State
  try {
    await runBaseTests('run', jobState, traces)
    // An unhandled rejection is reported one turn later.
    await new Promise((resolve) => setImmediate(resolve))
  } catch (error) {
    errors.push(String((error as Error).message))
  }
  evaluated = jobState.evaluatedModules
  forgetChanged(job)
  const tests: TestResult[] = []
  for (const [id, result] of results) {
    const name = names.get(id)
    if (name !== undefined && (result.state === 'pass' || result.state === 'fail')) tests.push(testResult(id, name, result))
    else if (name === undefined && result.state === 'fail') {
      for (const { message } of result.errors ?? []) if (!timeoutMessage.test(message)) errors.push(message)
    }
  }
  return { tests, errors, reached: recorder.reached() }
}

function testResult(id: string, name: string, result: Result): TestResult {
  const durationMs = result.duration ?? 0
  if (result.state === 'pass') return { id, name, state: 'passed', durationMs }
  const message = result.errors?.find((error) => !timeoutMessage.test(error.message))?.message ?? ''
  return { id, name, state: isTimeout(result) ? 'timed out' : 'failed', durationMs, message }
}

/** Whether a failure is nothing but a time limit. */
function isTimeout({ errors = [] }: Result): boolean {
  return errors.length > 0 && errors.every(({ message }) => timeoutMessage.test(message))
}

/** A module from vitest's main process. */
interface Fetched {
  readonly file?: string
  readonly id?: string
}
type Warm = Readonly<Record<string, Fetched | undefined>>
type Fetch = (id: string, importer: string | undefined, environment: string, ...rest: unknown[]) => Promise<Fetched>
interface Remote {
  readonly fetch: Fetch
  /** The modules that these files import, as far as the main process knows them: one request instead of hundreds. */
  readonly fetchWarmModules: (environment: string, files: readonly string[]) => Promise<Warm>
}

/** Modules don't change while a worker lives. */
const fetched = new Map<string, Promise<Fetched>>()
let warm: Promise<Warm> | undefined

/** Returns the mutated source, or the recording ones, instead of the original ones. */
function fetchFor({ file, mutant, recorded }: Job, remote: Remote): Fetch {
  async function fetchOriginal(
    id: string,
    importer: string | undefined,
    environment: string,
    ...rest: unknown[]
  ): Promise<Fetched> {
    // The test file itself is first, so that the main process knows its imports.
    if (importer === undefined) return remote.fetch(id, importer, environment, ...rest)
    warm ??= remote.fetchWarmModules(environment, [file])
    return (await warm)[id] ?? remote.fetch(id, importer, environment, ...rest)
  }
  return async (id, importer, environment, ...rest) => {
    const key = `${id}\n${importer}`
    const known = fetched.get(key) ?? fetchOriginal(id, importer, environment, ...rest)
    fetched.set(key, known)
    const module = await known
    if (module.file === undefined) return module
    const query = recorded.has(module.file) ? 'recording' : module.file === mutant?.source ? `mutant=${mutant.id}` : undefined
    if (query === undefined) return module
    return { ...(await remote.fetch(`${module.id}?${query}`, importer, environment)), id: module.id ?? id, file: module.file }
  }
}

/** Larger than the number of mutants of any package. */
const mostMutants = 65_536

/** Records the mutants that each test reaches. */
function createRecorder(): { readonly reached: () => JobResult['reached'] } {
  let current = new Set<number>()
  const byTest = new Map([['', current]])
  const seen = new Uint8Array(mostMutants)
  Object.assign(globalThis, {
    __seen: seen,
    __reach(...ids: readonly number[]) {
      for (const id of ids) current.add(id)
      seen[ids[0] as number] = 1
    },
    __startTest(id: string) {
      current = byTest.get(id) ?? new Set()
      byTest.set(id, current)
      seen.fill(0)
    },
  })
  return { reached: () => new Map([...byTest].map(([id, ids]) => [id, [...ids]])) }
}

const post = (message: WorkerMessage): void => void send?.(message)

async function runJobs(state: State, traces: Traces): Promise<void> {
  post({ mutation: 'ready' })
  for (;;) {
    const job = await new Promise<Job>((resolve) => jobs.push(resolve))
    const result = await runJob(state, traces, job)
    const isClean = (await cleaner?.clean((ms) => new Promise((resolve) => setTimeout(resolve, ms)))) ?? false
    post({ mutation: 'result', result, isClean })
  }
}

init({
  post: (message) => void send?.(message),
  on: (callback) => void process.on('message', callback),
  off: (callback) => void process.off('message', callback),
  setup: setupEnvironment,
  runTests: runJobs,
  collectTests: async () => {},
})
