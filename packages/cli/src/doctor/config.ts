import type { DoctorCheck } from './check.ts'

/** The configuration: whether it answers, and what may be done. */
export const configCheck: DoctorCheck = {
  name: 'config',
  async run(context) {
    const saved = await context.savedContext()
    const isChosen = saved ? saved.config !== undefined : Boolean(context.option('config') ?? context.env['SD_CONFIG'])
    if (!isChosen) return []
    const place = await context.describePlace('config')
    const source = await context.openConfig()
    const startedAt = performance.now()
    const { entries } = await source.load({ signal: context.signal })
    const tookMs = Math.max(1, Math.round(performance.now() - startedAt))
    const { write, compareAndSet } = source.capabilities
    const can = write ? 'can be written' : 'is read-only'
    const count = entries.length === 1 ? '1 entry' : `${entries.length} entries`
    return [
      { level: 'fine', text: `configuration ${place} answers in ${tookMs} ms with ${count}, ${can}` },
      ...(write && !compareAndSet
        ? [{ level: 'warning' as const, text: `${place} can't compare revisions: one of two concurrent changes may be lost` }]
        : []),
    ]
  },
}
