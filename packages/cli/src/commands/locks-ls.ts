import { invalidError, masking } from '@sd/core'
import { lockOptions } from '../backend-options.ts'
import type { CommandContext, CommandResult, ReadCommand } from '../command.ts'
import { lines, styled, table } from '../output/view.ts'

/** `sdctl locks [ls]`: locks that are held. */
export const locksLs: ReadCommand = {
  arguments: [{ name: 'prefix', description: 'only locks whose names begin with it', isOptional: true }],
  options: [...lockOptions, { flags: '--limit <number>', description: 'most locks that are shown; 1000 otherwise' }],
  run: list,
  watch: (context) => context.repeat(() => list(context)),
}

async function list(context: CommandContext): Promise<CommandResult> {
  const lock = await context.openLock()
  const place = await context.describePlace('lock')
  const limit = readLimit(context.option('limit'))
  const { locks, isTruncated } = await lock.list(context.argument('prefix'), { limit, signal: context.signal })
  const found = locks.map(({ key, value, token }) => ({ key, value: masking.text(value), token: String(token) }))
  const columns = [{ title: 'LOCK' }, { title: 'HELD BY' }, { title: 'TOKEN', align: 'right' as const }]
  const more = isTruncated ? '; there are more, --limit shows them' : ''
  return {
    data: { place, locks: found, isTruncated },
    view: [
      ...(found.length > 0
        ? [
            table(
              columns,
              found.map(({ key, value, token }) => [key, value, token]),
            ),
          ]
        : []),
      lines(styled('dim', `${place} · ${found.length} held${more}`)),
    ],
  }
}

function readLimit(text: string | undefined): number {
  const limit = Number(text ?? 1_000)
  if (Number.isInteger(limit) && limit >= 1 && limit <= 10_000) return limit
  throw invalidError('--limit', text, 'a number from 1 to 10000')
}
