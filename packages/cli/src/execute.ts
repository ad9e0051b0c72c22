import { invalidError, SdError, withTimeout } from '@sd/core'
import { makeChange } from './change.ts'
import type { CliOptions } from './cli-options.ts'
import type { CommandResult, FollowCommand, ReadCommand, WriteCommand } from './command.ts'
import { EXIT } from './exit-code.ts'
import { createPrinter, type Printer } from './output/printer.ts'
import type { Invocation } from './program.ts'
import { createSession } from './session.ts'

/** A command with its arguments: one that only may change something is known to do so, or not. */
type Chosen = ReadCommand | FollowCommand | WriteCommand

/** Runs a command. @returns its exit code @throws SdError whose code determines the exit code */
export async function execute(options: CliOptions, invocation: Invocation, signal: AbortSignal): Promise<number> {
  const { entry, command, options: values } = invocation
  const isJson = values['json'] === true
  const isWatching = values['watch'] === true
  if (isWatching && !('watch' in command))
    throw invalidError('--watch', true, `a command that can be watched; ${entry.name} can't`)
  const session = createSession(options, invocation, isJson)
  try {
    const chosen: Chosen = 'reading' in command ? (command.reading(session.context(signal)) ?? command) : command
    const printer = createPrinter({
      stream: options.stdout,
      command: entry.name,
      isJson,
      mode: 'follow' in chosen || 'reading' in command ? 'append' : isWatching ? 'replace' : 'once',
      hasColor: hasColor(options, values['color'] !== false),
    })
    if ('plan' in chosen) {
      const isConfirmed = values['yes'] === true
      return await makeChange({ name: entry.name, command: chosen, session, printer, isConfirmed, isJson, signal })
    }
    if ('follow' in chosen) return await watch(chosen.follow(session.context(signal)), signal, printer)
    if (isWatching && 'watch' in chosen && chosen.watch)
      return await watch(chosen.watch(session.context(signal)), signal, printer)
    const timeoutMs = 'isLocal' in chosen && chosen.isLocal ? undefined : session.timeoutMs
    const result = await withTimeout({ timeoutMs, what: `sdctl ${entry.name}`, signal }, (limited) =>
      chosen.run(session.context(limited)),
    )
    await printer.print(result)
    return result.hasProblems ? EXIT.problem : EXIT.fine
  } finally {
    await session.close()
  }
}

/** An interruption is how a watch ends. */
async function watch(results: AsyncIterable<CommandResult>, signal: AbortSignal, printer: Printer): Promise<number> {
  try {
    for await (const result of results) {
      await printer.print(result)
      if (signal.aborted) break
    }
  } catch (error) {
    if (!(signal.aborted && error instanceof SdError && error.code === 'SD_ABORTED')) throw error
  }
  return EXIT.fine
}

function hasColor({ stdout, env }: CliOptions, isWanted: boolean): boolean {
  return isWanted && stdout.isTTY === true && !env['NO_COLOR'] && env['TERM'] !== 'dumb'
}
