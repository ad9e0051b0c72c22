import { configOptions } from '../backend-options.ts'
import type { CommandContext, CommandResult, ReadCommand } from '../command.ts'
import { findEntry } from '../config/entries.ts'
import { source } from '../output/view.ts'

/** `sdctl config get <key>`: the text of an entry. Its secrets are masked. */
export const configGet: ReadCommand = {
  arguments: [{ name: 'key', description: 'key of the entry, as in sdctl config ls' }],
  options: configOptions,
  run: show,
  watch: (context) => context.repeat(() => show(context)),
}

async function show(context: CommandContext): Promise<CommandResult> {
  const entry = await findEntry(context)
  const { maskConfigEntry } = await import('@sd/config')
  const { key, format, revision, updatedAt, author, comment } = entry
  const content = maskConfigEntry(entry)
  const optional = { updatedAt, author, comment }
  return {
    data: {
      place: await context.describePlace('config'),
      key,
      format,
      revision,
      ...Object.fromEntries(Object.entries(optional).filter(([, value]) => value !== undefined)),
      content,
    },
    view: [source(content)],
  }
}
