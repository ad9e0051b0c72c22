import type { CommandContext } from '../command.ts'

/** What a check found. */
export interface Finding {
  /** A `problem` makes the exit code 1. */
  readonly level: 'fine' | 'warning' | 'problem'
  readonly text: string
  /** What to do: a command, or the page of a guide. @default nothing */
  readonly next?: string
}

/** A check of `sdctl doctor`. Add it to the table in `checks.ts`. */
export interface DoctorCheck {
  /** What it looks at, in one word. */
  readonly name: string
  /** A thrown `SdError` is a problem. Return nothing if there is nothing to check. */
  run(context: CommandContext): Promise<readonly Finding[]>
}
