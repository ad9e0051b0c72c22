import { configOptions } from '../backend-options.ts'
import type { ReadCommand } from '../command.ts'
import { describeRule, readCanary } from '../config/canary.ts'
import { describeComparison } from '../config/compare-texts.ts'
import { fields } from '../output/view.ts'

/** `sdctl canary show <key>`: the canary release of an entry, and how it differs from the entry. */
export const canaryShow: ReadCommand = {
  arguments: [{ name: 'key', description: 'key of the entry, as in sdctl config ls' }],
  options: configOptions,
  async run(context) {
    const { canary, comparison } = await readCanary(context)
    const { rule, author, comment, releaseId } = canary
    const key = context.argument('key')
    return {
      data: {
        place: await context.describePlace('config'),
        key,
        releaseId,
        rule,
        ...(author !== undefined && { author }),
        ...(comment !== undefined && { comment }),
        ...comparison,
      },
      view: [
        fields(['entry', key], ['for', describeRule(rule)], ['by', author ?? ''], ['why', comment ?? '']),
        describeComparison(comparison),
      ],
    }
  },
}
