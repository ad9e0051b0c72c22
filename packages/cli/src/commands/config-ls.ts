import { configOptions } from '../backend-options.ts'
import type { CommandContext, CommandResult, ReadCommand } from '../command.ts'
import { CANARY_SUFFIX } from '../config/entries.ts'
import { formatAge } from '../duration.ts'
import { lines, styled, table } from '../output/view.ts'

/** `sdctl config ls`: entries of the configuration. */
export const configLs: ReadCommand = {
  options: configOptions,
  run: list,
  watch: (context) => context.repeat(() => list(context)),
}

async function list(context: CommandContext): Promise<CommandResult> {
  const source = await context.openConfig()
  const place = await context.describePlace('config')
  const { entries } = await source.load({ signal: context.signal })
  const canaries = new Set(entries.map(({ key }) => key).filter((key) => key.endsWith(CANARY_SUFFIX)))
  const found = entries
    .filter(({ key }) => !canaries.has(key))
    .map(({ key, format, content, revision, updatedAt, author, comment, isSecret = false }) => ({
      key,
      format,
      bytes: Buffer.byteLength(content),
      revision,
      ...(updatedAt !== undefined && { updatedAt }),
      ...(author !== undefined && { author }),
      ...(comment !== undefined && { comment }),
      isSecret,
      hasCanary: canaries.has(`${key}${CANARY_SUFFIX}`),
    }))
  const columns = [
    { title: 'KEY' },
    { title: 'FORMAT' },
    { title: 'BYTES', align: 'right' as const },
    { title: 'CHANGED', align: 'right' as const },
    { title: 'BY' },
    { title: 'WHY', isOptional: true },
    { title: 'NOTE' },
  ]
  const rows = found.map(({ key, format, bytes, updatedAt, author = '', comment = '', isSecret, hasCanary }) => [
    key,
    format,
    String(bytes),
    updatedAt === undefined ? '' : `${formatAge(context.now() - updatedAt)} ago`,
    author,
    comment,
    [isSecret ? 'secret' : '', hasCanary ? 'canary release' : ''].filter(Boolean).join(', '),
  ])
  return {
    data: { place, entries: found },
    view: [
      ...(rows.length > 0 ? [table(columns, rows)] : []),
      lines(styled('dim', `${place} · ${found.length === 1 ? '1 entry' : `${found.length} entries`}`)),
    ],
  }
}
