import type { Readable } from 'node:stream'
import type { ConfigSourceTypes } from '@sd/config-center'
import type { HistoryStore } from '@sd/config-history'
import type { Fleet, FleetOptions } from '@sd/fleet'
import type { LockTypes } from '@sd/lock'
import type { RegistryTypes } from '@sd/registry'
import type { OutputStream } from './output/printer.ts'

/** What `sdctl` runs with. The program gives what belongs to its process; a test or another program gives its own. */
export interface CliOptions {
  /** Words after the name of the program. */
  readonly argv: readonly string[]
  /**
   * Environment variables: `SD_REGISTRY`, `SD_CONFIG`, `SD_LOCK`, `SD_ADMIN_TOKEN`, `SD_CONFIG_KEYS`, `SD_AUTHOR`, `USER`,
   * `NO_COLOR`, `TERM`, `HOME` and `XDG_CONFIG_HOME` are read.
   */
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
  /** Types of configuration sources of your own, by name; see `createConfigSource` of `@sd/config-center`. @default {} */
  readonly configTypes?: ConfigSourceTypes
  /** Stores of histories, by key of the entry. Types of your own need it. @default the place that `@sd/config-center` finds */
  readonly historyStore?: (key: string) => HistoryStore
  /** Types of locks of your own, by name; see `createLock` of `@sd/lock`. @default {} */
  readonly lockTypes?: LockTypes
  /** Creates the model of the processes. @default createFleet of `@sd/fleet` */
  readonly createFleet?: (options: FleetOptions) => Fleet
  /** Current time, in Unix milliseconds. @default Date.now */
  readonly now?: () => number
}
