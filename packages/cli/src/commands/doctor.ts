import { SdError } from '@sd/core'
import { configOptions, lockOptions } from '../backend-options.ts'
import type { CommandContext, CommandResult, ReadCommand } from '../command.ts'
import type { DoctorCheck, Finding } from '../doctor/check.ts'
import { doctorChecks } from '../doctor/checks.ts'
import { fleetOptions } from '../fleet/fleet-options.ts'
import { type Line, sentences, styled } from '../output/view.ts'

const marks = { fine: styled('green', '✓ '), warning: styled('yellow', '! '), problem: styled('red', '✗ ') }

/** `sdctl doctor`: what a report of a problem should contain. */
export const doctor: ReadCommand = {
  options: [...fleetOptions, ...configOptions, ...lockOptions],
  run: examine,
  watch: (context) => context.repeat(() => examine(context)),
}

async function examine(context: CommandContext): Promise<CommandResult> {
  const checks = await Promise.all(doctorChecks.map((load) => load()))
  const findings = await Promise.all(
    checks.map(async (check) => (await runCheck(check, context)).map((finding) => ({ check: check.name, ...finding }))),
  )
  const all = findings.flat()
  return {
    data: { findings: all },
    hasProblems: all.some(({ level }) => level === 'problem'),
    view: [sentences(...all.flatMap(describe))],
  }
}

async function runCheck(check: DoctorCheck, context: CommandContext): Promise<readonly Finding[]> {
  try {
    return await check.run(context)
  } catch (error) {
    if (!(error instanceof SdError) || context.signal.aborted) throw error
    return [{ level: 'problem', text: `${error.code}: ${error.message}` }]
  }
}

function describe({ level, text, next }: Finding): readonly Line[] {
  return [[marks[level], text], ...(next === undefined ? [] : [[styled('dim', '  → '), next]])]
}
