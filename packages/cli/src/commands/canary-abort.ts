import type { WriteCommand } from '../command.ts'
import { describeRule, readCanary } from '../config/canary.ts'
import { describeComparison } from '../config/compare-texts.ts'
import { lines, styled } from '../output/view.ts'

/** `sdctl canary abort <key>`: withdraws a canary release. */
export const canaryAbort: WriteCommand = {
  writes: true,
  arguments: [{ name: 'key', description: 'key of the entry, as in sdctl config ls' }],
  async plan(context) {
    const key = context.argument('key')
    const { canary, comparison } = await readCanary(context)
    const { rule, releaseId } = canary
    const place = await context.describePlace('config')
    return {
      view: [
        lines(styled('bold', `Withdraws the canary release of ${key} of ${place} for ${describeRule(rule)}:`)),
        describeComparison(comparison),
      ],
      async apply({ openWritableConfig, author, reason, signal }) {
        const { createCanaryRelease } = await import('@sd/config')
        await createCanaryRelease({ source: await openWritableConfig(), key }).abort({ author, comment: reason, signal })
        return { data: { place, key, releaseId, reason }, view: [lines(`The canary release of ${key} was withdrawn.`)] }
      },
    }
  },
}
