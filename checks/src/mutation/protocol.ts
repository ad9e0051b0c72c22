/** One run of a test file, which a worker is asked for. */
export interface Job {
  /** The mutant that is in effect, and the absolute path of its source. Absent: none. */
  readonly mutant?: { readonly id: number; readonly source: string }
  /** Absolute path of the test file. */
  readonly file: string
  /** Which of its tests. Absent: all. */
  readonly testIds?: readonly string[]
  /** Limit of each test, in milliseconds. */
  readonly testTimeoutMs: number
  /** The sources that tell which mutants they come to. */
  readonly recorded: ReadonlySet<string>
}

/** How one test went. */
export interface TestResult {
  readonly id: string
  readonly name: string
  readonly state: 'passed' | 'failed' | 'timed out'
  readonly durationMs: number
  readonly message?: string
}

/** How a job went. */
export interface JobResult {
  readonly tests: readonly TestResult[]
  /** Failures outside of the tests: the file didn't load, or nobody handled an error. */
  readonly errors: readonly string[]
  /** The mutants that each test reaches, by its id; under the empty id those that the file reaches by itself. */
  readonly reached: ReadonlyMap<string, readonly number[]>
}

/** What the runner sends to a worker. */
export interface JobMessage {
  readonly mutation: 'job'
  readonly job: Job
}

/** What a worker sends: that it is ready for a first job, or the result of one; and whether it is as good as new. */
export type WorkerMessage =
  | { readonly mutation: 'ready' }
  | { readonly mutation: 'result'; readonly result: JobResult; readonly isClean: boolean }
