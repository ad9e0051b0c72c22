import type { ConfigDocument, ConfigEntry } from '@sd/core'
import { configOptions } from '../backend-options.ts'
import type { FollowCommand } from '../command.ts'
import { type Line, lines } from '../output/view.ts'
import { describeStale, toStaleData } from '../services/stale.ts'
import { formatTime } from '../time.ts'

interface EntryChange {
  readonly key: string
  readonly change: 'present' | 'added' | 'updated' | 'removed'
  readonly revision?: string
  readonly author?: string | undefined
  readonly comment?: string | undefined
}

/** `sdctl config watch`: a line for each entry that changes. */
export const configWatch: FollowCommand = {
  options: configOptions,
  async *follow(context) {
    const source = await context.openConfig()
    const place = await context.describePlace('config')
    let before: ConfigDocument | undefined
    for await (const { value, stale } of source.watch({ signal: context.signal })) {
      const at = context.now()
      const found = value ? compare(before, value) : []
      before = value ?? before
      if (found.length === 0 && !stale) continue
      const time = formatTime(at, at)
      yield {
        data: { place, at, changes: found, ...toStaleData(stale) },
        view: [lines(...found.map((one): Line => `${time}  ${describe(one)}`), ...describeStale(stale, at))],
      }
    }
  },
}

function compare(before: ConfigDocument | undefined, after: ConfigDocument): readonly EntryChange[] {
  const known = new Map(before?.entries.map((entry) => [entry.key, entry]))
  const changes = after.entries.flatMap((entry): readonly EntryChange[] => {
    const old = known.get(entry.key)
    known.delete(entry.key)
    if (old?.revision === entry.revision) return []
    return [{ ...describeEntry(entry), change: before === undefined ? 'present' : old ? 'updated' : 'added' }]
  })
  return [...changes, ...[...known.keys()].map((key) => ({ key, change: 'removed' as const }))]
}

function describeEntry({ key, revision, author, comment }: ConfigEntry): Omit<EntryChange, 'change'> {
  return { key, revision, ...(author !== undefined && { author }), ...(comment !== undefined && { comment }) }
}

function describe({ key, change, author, comment }: EntryChange): string {
  const who = author === undefined ? '' : ` by ${author}`
  return `${key} ${change}${who}${comment === undefined ? '' : `: ${comment}`}`
}
