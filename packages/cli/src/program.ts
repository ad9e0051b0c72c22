import { Argument, Option, Command as Program } from 'commander'
import type { Command, OptionValue } from './command.ts'
import { type CommandEntry, commandTable, groups } from './command-table.ts'
import { readManifest } from './manifest.ts'

/** A command of the command line with the values that were given. */
export interface Invocation {
  readonly entry: CommandEntry
  readonly command: Command
  readonly arguments: Readonly<Record<string, string | undefined>>
  readonly options: Readonly<Record<string, OptionValue>>
}

/** Where the program writes its help and what is wrong with a command line. */
export interface ProgramOutput {
  out(text: string): void
  err(text: string): void
  /** Columns of the help. */
  readonly width: number
}

/** Options of every command. */
export const globalOptions: readonly (readonly [flags: string, description: string])[] = [
  ['--registry <url>', 'the registry, such as consul://10.0.0.1:8500; SD_REGISTRY otherwise'],
  ['--context <name>', 'a context of the contexts file; the current one otherwise'],
  ['--json', 'prints JSON, one document in each line'],
  ['--watch', 'goes on and shows changes'],
  ['--interval <time>', 'time between two looks of --watch where the backend does not report changes, such as 5s; 2s otherwise'],
  ['--timeout <time>', 'time limit of a command, such as 500ms; 10s otherwise'],
  ['--no-color', 'prints without colours'],
]

/** Options that every command with `writes` has besides. */
export const writeOptions: readonly (readonly [flags: string, description: string])[] = [
  ['--reason <text>', 'why the change is made; required'],
  ['--yes', 'does not ask'],
]

/** Builds the program of the table. A command is loaded and declared once the command line names it. */
export function createProgram(output: ProgramOutput, run: (invocation: Invocation) => Promise<void>): Program {
  const program = new Program('sdctl')
    .description('Looks into services, their processes, configuration and locks, and changes them.')
    .exitOverride()
    .helpCommand(false)
    .version(readManifest().version, '--version', 'prints the version')
    .configureOutput({
      writeOut: output.out,
      writeErr: output.err,
      getOutHelpWidth: () => output.width,
      getErrHelpWidth: () => output.width,
    })
    .configureHelp({ showGlobalOptions: true })
  for (const [flags, description] of globalOptions) program.option(flags, description)
  const parents = new Map<string, Program>()
  const leaves = new Map<Program, CommandEntry>()
  const declare = async (_: Program, chosen: Program): Promise<void> => {
    const entry = leaves.get(chosen)
    if (entry) declareCommand(chosen, entry, await entry.load(), run)
  }
  program.hook('preSubcommand', declare)

  function parentOf(word: string): Program {
    const known = parents.get(word)
    if (known) return known
    const made = program
      .command(word)
      .description(groups[word] ?? '')
      .helpCommand(false)
    made.hook('preSubcommand', declare)
    parents.set(word, made)
    return made
  }
  for (const entry of commandTable) {
    const [word = '', second] = entry.name.split(' ')
    const parent = second === undefined ? program : parentOf(word)
    leaves.set(parent.command(second ?? word, { isDefault: entry.isDefault ?? false }).description(entry.summary), entry)
  }
  return program
}

function declareCommand(
  program: Program,
  entry: CommandEntry,
  command: Command,
  run: (invocation: Invocation) => Promise<void>,
): void {
  const specs = command.arguments ?? []
  for (const { name, description, isOptional, choices } of specs) {
    const argument = new Argument(isOptional ? `[${name}]` : `<${name}>`, description)
    program.addArgument(choices ? argument.choices(choices) : argument)
  }
  for (const { flags, description, choices, isRepeatable, isRequired } of command.options ?? []) {
    const option = new Option(flags, description).makeOptionMandatory(isRequired ?? false)
    if (choices) option.choices(choices)
    if (isRepeatable) option.default([]).argParser((value: string, before: readonly string[]) => [...before, value])
    program.addOption(option)
  }
  if (command.writes) for (const [flags, description] of writeOptions) program.option(flags, description)
  program.action(() => {
    const values: Readonly<Record<string, OptionValue>> = program.optsWithGlobals()
    const given = program.processedArgs as readonly (string | undefined)[]
    return run({
      entry,
      command,
      arguments: Object.fromEntries(specs.map(({ name }, index) => [name, given[index]])),
      options: values,
    })
  })
}
