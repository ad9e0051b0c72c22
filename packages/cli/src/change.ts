import { invalidError, SdError, untilAborted, withTimeout } from '@sd/core'
import type { CommandContext, WriteCommand } from './command.ts'
import { EXIT } from './exit-code.ts'
import { type Printer, writeTo } from './output/printer.ts'
import { lines } from './output/view.ts'
import type { Session } from './session.ts'

/** A change that a command line asks for. */
export interface ChangeRequest {
  /** Name of the command. */
  readonly name: string
  readonly command: WriteCommand
  readonly session: Session
  readonly printer: Printer
  /** Whether `--yes` was given. */
  readonly isConfirmed: boolean
  readonly isJson: boolean
  readonly signal: AbortSignal
}

/**
 * Makes a change, if the context may write, there is a reason, and the answer is yes. Every command that writes passes
 * through here, and only here it gets something to write with.
 *
 * @returns the exit code @throws SdError `SD_DENIED` if the context may not write, `SD_INVALID` without a reason or where no
 * one can be asked
 */
export async function makeChange(request: ChangeRequest): Promise<number> {
  const { name, command, session, printer, isConfirmed, isJson, signal } = request
  const what = `sdctl ${name}`
  const asking = session.context(signal)
  await checkMayWrite(asking)
  if (!asking.option('reason')?.trim()) throw invalidError('--reason', asking.option('reason'), 'why the change is made')
  const { terminal } = asking
  if (!isConfirmed && !terminal) throw invalidError('--yes', undefined, 'it, because no one can be asked here')
  const limit = { timeoutMs: session.timeoutMs, what, signal }
  const change = await withTimeout(limit, (limited) => command.plan(session.context(limited)))
  if (!isJson) await printer.print({ data: undefined, view: change.view })
  if (!isConfirmed && terminal && !(await confirm(terminal, signal))) {
    await printer.print({ data: undefined, view: [lines('Nothing was changed.')] })
    return EXIT.problem
  }
  // What lasts longer than the change is bound to the command, and not to the time limit.
  const lasting = session.writeContext(signal)
  const result = await withTimeout(limit, (limited) => change.apply(change.follow ? lasting : session.writeContext(limited)))
  await printer.print(result)
  for await (const next of change.follow?.(lasting) ?? []) await printer.print(next)
  if (change.endsWithCommand) await untilAborted(signal)
  return result.hasProblems ? EXIT.problem : EXIT.fine
}

/** A registry that comes from `--registry` or the environment is read-only: only a context says what may be changed. */
async function checkMayWrite(context: CommandContext): Promise<void> {
  const saved = await context.savedContext()
  if (saved?.write) return
  const { contextsPath } = await import('./contexts/contexts-file.ts')
  const path = contextsPath(context.env)
  const message = saved
    ? `The context ${saved.name} may not write: it needs "write: true" in ${path}`
    : `A change needs a context with "write: true" in ${path}; --registry and SD_REGISTRY are only for reading`
  throw new SdError('SD_DENIED', message)
}

async function confirm({ input, output }: NonNullable<CommandContext['terminal']>, signal: AbortSignal): Promise<boolean> {
  const { createInterface } = await import('node:readline')
  await writeTo(output, 'Go on? [y/N] ')
  const reader = createInterface({ input })
  try {
    return await new Promise<boolean>((resolve, reject) => {
      reader.once('line', (answer) => resolve(/^y(?:es)?$/i.test(answer.trim())))
      reader.once('close', () => resolve(false))
      signal.addEventListener('abort', () => reject(new SdError('SD_ABORTED', 'The question was interrupted')), { once: true })
    })
  } finally {
    reader.close()
  }
}
