/** What a run has shown. */
export interface Checks {
  /** Whether all of them passed. */
  readonly isPassed: boolean
  /** Records a check and shows it. */
  add(what: string, isPassed: boolean, detail: string): void
  /** The last lines of a run. */
  summary(): string
}

/** Creates an empty list. */
export function createChecks(write: (text: string) => void): Checks {
  const results: boolean[] = []
  return {
    get isPassed() {
      return results.length > 0 && results.every(Boolean)
    },
    add(what, isPassed, detail) {
      results.push(isPassed)
      write(`  ${isPassed ? 'pass' : 'FAIL'}  ${what} (${detail})\n`)
    },
    summary() {
      const passed = results.filter(Boolean).length
      return `\n${passed} passed, ${results.length - passed} failed\n`
    },
  }
}
