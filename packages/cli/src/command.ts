import type { ConfigHistory } from '@sd/config-history'
import type { ConfigSource, ReadOnlyRegistry, Registry, WritableConfigSource } from '@sd/core'
import type { FleetReader, HistoryReader, LockReader } from './backends.ts'
import type { SavedContext } from './contexts/contexts-file.ts'
import type { Target } from './contexts/target.ts'
import type { OutputStream } from './output/printer.ts'
import type { View } from './output/view.ts'

/** An argument of a command. */
export interface ArgumentSpec {
  readonly name: string
  readonly description: string
  /** Whether it may be left out. @default false */
  readonly isOptional?: boolean
  /** Accepted values. @default any */
  readonly choices?: readonly string[]
}

/** An option of a command. */
export interface OptionSpec {
  /** As `commander` takes them: `--unhealthy`, `--out <file>`. */
  readonly flags: string
  readonly description: string
  /** Accepted values. @default any */
  readonly choices?: readonly string[]
  /** Whether it may be given several times. @default false */
  readonly isRepeatable?: boolean
  /** Whether the command is refused without it. @default false */
  readonly isRequired?: boolean
}

/** What a command found or did. */
export interface CommandResult {
  /** For `--json`; `schemas/<command>.json` describes it. */
  readonly data: unknown
  /** For people. */
  readonly view: View
  /** Whether the command found something wrong: its exit code is then 1. @default false */
  readonly hasProblems?: boolean
}

/** A value of an option. */
export type OptionValue = string | boolean | readonly string[] | undefined

/** What a command gets. */
export interface CommandContext {
  /** Value of an argument; empty if it was left out. */
  argument(name: string): string
  /** Value of an option, such as `out` for `--out <file>`. */
  option(name: string): string | undefined
  /** Whether an option without a value was given. */
  flag(name: string): boolean
  /** Values of a repeatable option. */
  list(name: string): readonly string[]
  readonly env: Readonly<Record<string, string | undefined>>
  /** Working folder, to which paths are relative. */
  readonly cwd: string
  /** Standard input, for commands that read a text. */
  readonly input: NodeJS.ReadableStream & { readonly isTTY?: boolean }
  /** Aborts at the time limit of the command, and when it is interrupted. */
  readonly signal: AbortSignal
  /** Current time, in Unix milliseconds. */
  now(): number
  /** Value of `--registry`, which may be missing. */
  readonly registryOption: string | undefined
  /** The registry and the context that were chosen. @throws SdError `SD_INVALID` if none was */
  target(): Promise<Target>
  /** The chosen context of the contexts file, if there is one. @throws SdError `SD_INVALID` for one that does not exist */
  savedContext(): Promise<SavedContext | undefined>
  /** Opens a registry for reading, once for each URL; it is closed when the command ends. @param url that of the target by default */
  openSource(url?: string): Promise<ReadOnlyRegistry>
  /** Opens the configuration, as {@link openSource} opens the registry. @throws SdError `SD_INVALID` if none was chosen */
  openConfig(): Promise<Pick<ConfigSource, 'name' | 'capabilities' | 'load' | 'watch'>>
  /** Opens the history of an entry of the configuration, for reading. @throws SdError `SD_UNSUPPORTED` if there is no place for it */
  openHistory(key: string): Promise<HistoryReader>
  /** Opens the locks, for reading. @throws SdError `SD_INVALID` if none were chosen */
  openLock(): Promise<LockReader>
  /** Opens the model of the registry and its processes. */
  openFleet(): Promise<FleetReader>
  /** Type and place of the configuration or of the locks, without credentials. */
  describePlace(kind: 'config' | 'lock'): Promise<string>
  /** The terminal, if there is someone to ask. */
  readonly terminal:
    | { readonly input: NodeJS.ReadableStream & { readonly isTTY?: boolean }; readonly output: OutputStream }
    | undefined
  /** Runs a command again at the interval of `--watch`, for backends that don't report changes. */
  repeat(run: () => Promise<CommandResult>): AsyncIterable<CommandResult>
}

/** What a change gets besides. Only commands that are marked with `writes` get one. */
export interface WriteContext extends CommandContext {
  /** Why the change is made, of `--reason`. */
  readonly reason: string
  /** The author of the change. */
  readonly author: string
  /** Opens the registry of the context for writing; it is closed when the command ends. */
  openRegistry(): Promise<Registry>
  /** Opens the configuration of the context for writing. */
  openWritableConfig(): Promise<WritableConfigSource>
  /** Opens the history of an entry for writing. */
  openWritableHistory(key: string): Promise<ConfigHistory>
  /** Changes something in a process, which must permit it; the body gets reason and author unless it has a `reason`. @returns its answer */
  changeProcess(processId: string, path: string, body: object): Promise<unknown>
}

/** What a command of this kind will do, and how. */
export interface Change {
  /** What will happen, printed before it is confirmed. */
  readonly view: View
  /** Makes the change. */
  apply(context: WriteContext): Promise<CommandResult>
  /** Whether the change ends with the command, which then waits until it is interrupted. @default false */
  readonly endsWithCommand?: boolean
  /** Yields what happens after the change, until the signal aborts. @default nothing */
  follow?(context: WriteContext): AsyncIterable<CommandResult>
}

interface CommandShape {
  /** @default none */
  readonly arguments?: readonly ArgumentSpec[]
  /** Besides the global ones. @default none */
  readonly options?: readonly OptionSpec[]
}

/** A command that changes nothing outside of this machine. */
export interface ReadCommand extends CommandShape {
  readonly writes?: false
  /** Whether it works on this machine only and may ask: it has no time limit then. @default false */
  readonly isLocal?: boolean
  /** @throws SdError, whose code determines the exit code */
  run(context: CommandContext): Promise<CommandResult>
  /** Yields a result now and at each change, until the signal aborts. Without it `--watch` is refused. */
  watch?(context: CommandContext): AsyncIterable<CommandResult>
}

/**
 * A command that changes a registry or another backend. It is refused without a context that may write and a reason; then
 * its plan is printed and confirmed.
 */
export interface WriteCommand extends CommandShape {
  readonly writes: true
  /** Reads what is needed to say what will happen. It changes nothing. @throws SdError, whose code determines the exit code */
  plan(context: CommandContext): Promise<Change>
}

/** A command that changes nothing and prints what happens, each result below the one before, until it is interrupted. */
export interface FollowCommand extends CommandShape {
  readonly writes?: false
  /** Yields what happens, until the signal aborts. @throws SdError, whose code determines the exit code */
  follow(context: CommandContext): AsyncIterable<CommandResult>
}

/** A command that changes nothing with some arguments, such as a call by GET. Then it needs no permission, reason and confirmation. */
export interface MixedCommand extends WriteCommand {
  /** What it is then; `undefined` if it changes something. @throws SdError `SD_INVALID` for wrong arguments */
  reading(context: CommandContext): Pick<ReadCommand, 'run'> | Pick<FollowCommand, 'follow'> | undefined
}

/** A command: its arguments and options, and what it does. */
export type Command = ReadCommand | FollowCommand | WriteCommand | MixedCommand
