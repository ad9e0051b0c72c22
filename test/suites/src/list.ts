/** Results of one test file: each test with its error, if it failed. */
export interface FileResult {
  readonly tests: ReadonlyMap<string, string | undefined>
  /** How its process ended, if it did not exit by itself. */
  readonly crash: string | undefined
}

/** A reason to exclude files, or tests of files. The first one that matches applies. */
export interface Reason {
  readonly file: RegExp
  /** Names of tests. @default all */
  readonly test?: RegExp
  readonly because: string
}

/** The list of a suite: which of its tests apply, and why the others do not. */
export interface SuiteList {
  /** Files about other subjects, by reason. */
  readonly outOfScope: Record<string, readonly string[]>
  /** Tests that apply, by file. */
  readonly applied: Record<string, readonly string[]>
  /** Excluded tests, by file, each with its reason. */
  readonly excluded: Record<string, Record<string, string>>
}

/** A suite of another project. */
export interface Suite {
  readonly name: string
  /** Folder of its checkout. */
  readonly variable: string
  findFiles(checkout: string): string[]
  runFile(checkout: string, file: string): Promise<FileResult>
  /** Reasons for files about other subjects. */
  readonly outOfScope: readonly Reason[]
  /** Reasons to exclude tests. */
  readonly exclusions: readonly Reason[]
  /** Starts before the first file. */
  start?(checkout: string): Promise<() => Promise<void>>
}

export function findReason(reasons: readonly Reason[], file: string, test?: string): string | undefined {
  return reasons.find((one) => one.file.test(file) && (test === undefined || !one.test || one.test.test(test)))?.because
}

/** Compares a run with a list. @returns tests that fail and are not excluded, and excluded tests that pass */
export function compare(list: SuiteList, results: ReadonlyMap<string, FileResult>): readonly string[] {
  const problems: string[] = []
  for (const [file, { tests, crash }] of results) {
    const excluded = list.excluded[file] ?? {}
    for (const [name, error] of tests) {
      if (error !== undefined && !(name in excluded))
        problems.push(`${file}: ${name} fails: ${error.replace(/\s+/g, ' ').slice(0, 300)}`)
    }
    for (const name of list.applied[file] ?? []) {
      if (!tests.has(name)) problems.push(`${file}: ${name} was not run${crash ? `; its process ${crash}` : ''}`)
    }
  }
  return problems
}

/** Creates the list of a run. Tests that fail without a reason are not in it. */
export function makeList(suite: Suite, files: readonly string[], results: ReadonlyMap<string, FileResult>): SuiteList {
  const list: Mutable = { outOfScope: {}, applied: {}, excluded: {} }
  for (const file of files) {
    const because = findReason(suite.outOfScope, file)
    if (because !== undefined) {
      list.outOfScope[because] ??= []
      list.outOfScope[because].push(file)
    }
  }
  for (const [file, { tests }] of [...results].sort(([a], [b]) => (a < b ? -1 : 1))) {
    for (const [name, error] of tests) {
      const reason = error === undefined ? undefined : findReason(suite.exclusions, file, name)
      if (error === undefined) {
        list.applied[file] ??= []
        list.applied[file].push(name)
      } else if (reason !== undefined) {
        list.excluded[file] ??= {}
        list.excluded[file][name] = reason
      }
    }
  }
  return list
}

interface Mutable extends SuiteList {
  readonly outOfScope: Record<string, string[]>
  readonly applied: Record<string, string[]>
  readonly excluded: Record<string, Record<string, string>>
}
