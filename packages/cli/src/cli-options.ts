import type { Readable } from 'node:stream'
import type { RegistryTypes } from '@sd/registry'
import type { OutputStream } from './output/printer.ts'

/** What `sdctl` runs with. The program gives what belongs to its process; a test or another program gives its own. */
export interface CliOptions {
  /** Words after the name of the program. */
  readonly argv: readonly string[]
  /** Environment variables: `SD_REGISTRY`, `NO_COLOR`, `TERM`, `HOME` and `XDG_CONFIG_HOME` are read. */
  readonly env: Readonly<Record<string, string | undefined>>
  /** Where answers come from, if it is a terminal. */
  readonly stdin: Readable & { readonly isTTY?: boolean }
  /** Receives results, and errors with `--json`. */
  readonly stdout: OutputStream
  /** Receives errors. */
  readonly stderr: OutputStream
  /** Working folder. */
  readonly cwd: string
  /** Interrupts the command, which then closes what it has opened. @default never */
  readonly signal?: AbortSignal
  /** Registry types of your own, by name; see `createRegistry` of `@sd/registry`. @default {} */
  readonly registryTypes?: RegistryTypes
  /** Current time, in Unix milliseconds. @default Date.now */
  readonly now?: () => number
}
