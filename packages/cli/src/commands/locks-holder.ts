import { type LockHolder, masking } from '@sd/core'
import { lockOptions } from '../backend-options.ts'
import type { ReadCommand } from '../command.ts'
import { fields, lines } from '../output/view.ts'

/** `sdctl locks holder <key>`: the holder of a lock. */
export const locksHolder: ReadCommand = {
  arguments: [{ name: 'key', description: 'name of the lock' }],
  options: lockOptions,
  async run(context) {
    const lock = await context.openLock()
    const key = context.argument('key')
    const place = await context.describePlace('lock')
    const holder = toHolderData((await lock.holder(key, { signal: context.signal })) ?? null)
    return {
      data: { place, key, holder },
      view: [holder ? fields(['lock', key], ['held by', holder.value], ['token', holder.token]) : lines(`${key} is free.`)],
    }
  },
}

/** A holder for JSON: its token has more digits than a number. */
export function toHolderData(holder: LockHolder | null): { readonly value: string; readonly token: string } | null {
  return holder && { value: masking.text(holder.value), token: String(holder.token) }
}
