/** One run of a test file by a worker. */
export interface Job {
  /** The mutant that is in effect, and the absolute path of its source. Absent: none. */
  readonly mutant?: { readonly id: number; readonly source: string }
  /** Absolute path of the test file. */
  readonly file: string
  /** The selected tests. Absent: all. */
  readonly testIds?: readonly string[]
  /** Time limit of each test, in milliseconds. */
  readonly testTimeoutMs: number
  /** The sources that report the mutants that they reach. */
  readonly recorded: ReadonlySet<string>
}

/** Result of one test. */
export interface TestResult {
  readonly id: string
  readonly name: string
  readonly state: 'passed' | 'failed' | 'timed out'
  readonly durationMs: number
  readonly message?: string
}

/** Result of a job. */
export interface JobResult {
  readonly tests: readonly TestResult[]
  /** Failures outside of the tests: the file didn't load, or an error was not handled. */
  readonly errors: readonly string[]
  /** The mutants that each test reaches, by its id; under the empty id those that the file reaches while it loads. */
  readonly reached: ReadonlyMap<string, readonly number[]>
}

/** A message to a worker. */
export interface JobMessage {
  readonly mutation: 'job'
  readonly job: Job
}

/** A message from a worker: it is ready for its first job, or has a result, and whether its process can be used again. */
export type WorkerMessage =
  | { readonly mutation: 'ready' }
  | { readonly mutation: 'result'; readonly result: JobResult; readonly isClean: boolean }
