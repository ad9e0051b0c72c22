import { isCancel, select, text } from '@clack/prompts'
import { SdError } from '@sd/core'
import type { CommandContext } from '../command.ts'
import { frameworks } from './frameworks.ts'
import { registries } from './registries.ts'

/** Asks for what is missing. @param given answers that are known; an empty one is missing @throws SdError `SD_ABORTED` if someone cancels */
export async function ask<Name extends 'service' | 'framework' | 'registry'>(
  given: Readonly<Record<Name, string>>,
  { input, output }: NonNullable<CommandContext['terminal']>,
  signal: AbortSignal,
): Promise<Record<Name, string>> {
  const streams = { input: input as never, output, signal }
  const questions: Readonly<Record<string, () => Promise<string | symbol>>> = {
    service: () => text({ ...streams, message: 'Name of the service', defaultValue: 'my-service', placeholder: 'my-service' }),
    framework: () =>
      select({
        ...streams,
        message: 'Framework',
        options: Object.entries(frameworks).map(([value, { title }]) => ({ value, label: title })),
      }),
    registry: () =>
      select({
        ...streams,
        message: 'Registry',
        options: Object.entries(registries).map(([value, url]) => ({ value, label: value, hint: url })),
      }),
  }
  const answers: Record<Name, string> = { ...given }
  for (const name of Object.keys(given) as Name[]) {
    if (answers[name] !== '') continue
    const answer = await questions[name]?.()
    if (typeof answer !== 'string' || isCancel(answer))
      throw new SdError('SD_ABORTED', 'The questions were cancelled; nothing was written')
    answers[name] = answer
  }
  return answers
}
