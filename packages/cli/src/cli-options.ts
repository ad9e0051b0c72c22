import type { Readable } from 'node:stream'
import type { RegistryTypes } from '@sd/registry'
import type { OutputStream } from './output/printer.ts'

/** What `sdctl` runs with. The program gives what belongs to its process; a test or another program gives its own. */
export interface CliOptions {
  /** Words after the name of the program. */
  readonly argv: readonly string[]
  readonly env: Readonly<Record<string, string | undefined>>
  readonly stdin: Readable & { readonly isTTY?: boolean }
  readonly stdout: OutputStream
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
