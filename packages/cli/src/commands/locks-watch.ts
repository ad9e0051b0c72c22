import { lockOptions } from '../backend-options.ts'
import type { FollowCommand } from '../command.ts'
import { lines } from '../output/view.ts'
import { describeStale, toStaleData } from '../services/stale.ts'
import { formatTime } from '../time.ts'
import { toHolderData } from './locks-holder.ts'

/** `sdctl locks watch <key>`: a line for each holder of a lock. */
export const locksWatch: FollowCommand = {
  arguments: [{ name: 'key', description: 'name of the lock' }],
  options: lockOptions,
  async *follow(context) {
    const lock = await context.openLock()
    const key = context.argument('key')
    for await (const { value, stale } of lock.watchHolder(key, { signal: context.signal })) {
      const at = context.now()
      const holder = toHolderData(value ?? null)
      const who = holder
        ? `${key} is held by ${holder.value || 'a process without a name'}, token ${holder.token}`
        : `${key} is free`
      yield {
        data: { at, key, holder, ...toStaleData(stale) },
        view: [lines(`${formatTime(at, at)}  ${who}`, ...describeStale(stale, at))],
      }
    }
  },
}
