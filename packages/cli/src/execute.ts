import { invalidError, SdError, withTimeout } from '@sd/core'
import { makeChange } from './change.ts'
import type { CliOptions } from './cli-options.ts'
import type { CommandResult } from './command.ts'
import { EXIT } from './exit-code.ts'
import { createPrinter, type Printer } from './output/printer.ts'
import type { Invocation } from './program.ts'
import { createSession } from './session.ts'

/** Runs a command. @returns its exit code @throws SdError whose code determines the exit code */
export async function execute(options: CliOptions, invocation: Invocation, signal: AbortSignal): Promise<number> {
  const { entry, command, options: values } = invocation
  const isJson = values['json'] === true
  const isWatching = values['watch'] === true
  if (isWatching && !('watch' in command))
    throw invalidError('--watch', true, `a command that can be watched; ${entry.name} can't`)
  const session = createSession(options, invocation, isJson)
  const printer = createPrinter({
    stream: options.stdout,
    command: entry.name,
    isJson,
    mode: 'follow' in command ? 'append' : isWatching ? 'replace' : 'once',
    hasColor: hasColor(options, values['color'] !== false),
  })
  try {
    if (command.writes) {
      const isConfirmed = values['yes'] === true
      return await makeChange({ name: entry.name, command, session, printer, isConfirmed, isJson, signal })
    }
    if ('follow' in command) return await watch(command.follow(session.context(signal)), signal, printer)
    if (isWatching && command.watch) return await watch(command.watch(session.context(signal)), signal, printer)
    const timeoutMs = command.isLocal ? undefined : session.timeoutMs
    const result = await withTimeout({ timeoutMs, what: `sdctl ${entry.name}`, signal }, (limited) =>
      command.run(session.context(limited)),
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
