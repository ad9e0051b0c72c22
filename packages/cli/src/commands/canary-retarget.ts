import type { WriteCommand } from '../command.ts'
import { describeRule, readCanary, readRule, ruleOptions } from '../config/canary.ts'
import { lines, styled } from '../output/view.ts'

/** `sdctl canary retarget <key>`: chooses other instances for a canary release. */
export const canaryRetarget: WriteCommand = {
  writes: true,
  arguments: [{ name: 'key', description: 'key of the entry, as in sdctl config ls' }],
  options: ruleOptions,
  async plan(context) {
    const key = context.argument('key')
    const rule = readRule(context)
    const { canary } = await readCanary(context)
    const place = await context.describePlace('config')
    return {
      view: [
        lines(styled('bold', `The canary release of ${key} of ${place} will be for other instances:`)),
        lines(`now    ${describeRule(canary.rule)}`, `after  ${describeRule(rule)}`),
      ],
      async apply({ openWritableConfig, author, reason, signal }) {
        const { createCanaryRelease } = await import('@sd/config')
        const release = createCanaryRelease({ source: await openWritableConfig(), key })
        const { releaseId } = await release.retarget(rule, { author, comment: reason, signal })
        return {
          data: { place, key, releaseId, before: canary.rule, rule, reason },
          view: [lines(`The canary release of ${key} is now for ${describeRule(rule)}.`)],
        }
      },
    }
  },
}
