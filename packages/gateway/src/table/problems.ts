import { SdError } from '@sd/core'

/** Most problems that are collected. */
const maxProblems = 100
/** Most problems that a message names. */
const maxNamed = 10

/** Collects everything that is wrong with a table. */
export class Problems {
  readonly errors: SdError[] = []

  /** Runs a check. @returns its result; `undefined` if it threw an `SdError`, which is kept */
  attempt<T>(check: () => T): T | undefined {
    try {
      return check()
    } catch (error) {
      if (!(error instanceof SdError)) throw error
      this.add(error)
      return undefined
    }
  }

  add(error: SdError): void {
    if (this.errors.length < maxProblems) this.errors.push(error)
  }

  /** @throws SdError `SD_INVALID` with all problems, if there are any: `field` is the path of the first, `cause` the array of all */
  throwIfAny(): void {
    const { errors } = this
    const [first] = errors
    if (!first) return
    if (errors.length === 1) throw first
    const named = errors.slice(0, maxNamed).map(({ message }) => `\n- ${message}`)
    const more = errors.length > maxNamed ? `\n- and ${errors.length - maxNamed} more` : ''
    throw new SdError('SD_INVALID', `The table has ${errors.length} problems:${named.join('')}${more}`, {
      cause: errors,
      ...(first.field !== undefined && { field: first.field }),
    })
  }
}
