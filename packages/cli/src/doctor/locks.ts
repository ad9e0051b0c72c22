import type { DoctorCheck } from './check.ts'

/** The locks: whether their backend answers. */
export const locksCheck: DoctorCheck = {
  name: 'locks',
  async run(context) {
    const saved = await context.savedContext()
    const isChosen = saved ? saved.lock !== undefined : Boolean(context.option('lock') ?? context.env['SD_LOCK'])
    if (!isChosen) return []
    const place = await context.describePlace('lock')
    const lock = await context.openLock()
    if (!lock.capabilities.list) return [{ level: 'fine', text: `locks ${place} can't be listed: name the lock in commands` }]
    const { locks } = await lock.list('', { limit: 1_000, signal: context.signal })
    return [{ level: 'fine', text: `locks ${place} answer, ${locks.length} are held` }]
  },
}
