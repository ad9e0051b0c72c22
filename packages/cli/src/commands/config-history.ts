import type { ConfigVersion } from '@sd/config-history'
import { SdError } from '@sd/core'
import { configOptions } from '../backend-options.ts'
import type { CommandContext, CommandResult, ReadCommand } from '../command.ts'
import { loadEntry } from '../config/entries.ts'
import { type Line, lines, styled, table } from '../output/view.ts'
import { formatTime } from '../time.ts'

/** `sdctl config history <key>`: versions of an entry, newest first. */
export const configHistory: ReadCommand = {
  arguments: [{ name: 'key', description: 'key of the entry, as in sdctl config ls' }],
  options: configOptions,
  run: show,
  watch: (context) => context.repeat(() => show(context)),
}

async function show(context: CommandContext): Promise<CommandResult> {
  const key = context.argument('key')
  const { signal } = context
  const [entry, versions] = await Promise.all([
    context.openConfig().then((source) => loadEntry(source, key, signal)),
    context.openHistory(key).then((history) => history.list({ signal })),
  ])
  if (!entry && versions.length === 0)
    throw new SdError('SD_NOT_FOUND', `${await context.describePlace('config')} has no entry ${key}, and no history of it`)
  const live = versions.find(({ state }) => state === 'written')
  const isChanged = (live?.content ?? null) !== (entry?.content ?? null)
  const found = versions.map((version) => ({ ...toVersionData(version), isLive: version === live && !isChanged }))
  const columns = [
    { title: 'VERSION', align: 'right' as const },
    { title: 'WHEN' },
    { title: 'WHO' },
    { title: 'WHAT' },
    { title: 'WHY' },
    { title: 'STATE' },
  ]
  const rows = found.map(({ version, timeMs, author = 'unknown', change, of, comment = '', state, isLive }): readonly Line[] => [
    String(version),
    formatTime(timeMs, context.now()),
    author,
    of === undefined ? change : `${change} to ${of}`,
    comment,
    isLive ? [state, styled('green', ' ← live')] : state,
  ])
  const past = 'The entry was changed past its history. The next change through it records that as a version.'
  return {
    data: { place: await context.describePlace('config'), key, isChangedPastHistory: isChanged, versions: found },
    view: [
      ...(rows.length > 0 ? [table(columns, rows)] : [lines(`${key} has no history yet.`)]),
      ...(isChanged && rows.length > 0 ? [lines(styled('yellow', past))] : []),
    ],
  }
}

/** A version without its content, which may have secrets. */
export function toVersionData({ content: _, ...version }: ConfigVersion): Omit<ConfigVersion, 'content'> {
  return version
}
