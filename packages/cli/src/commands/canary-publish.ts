import type { WriteCommand } from '../command.ts'
import { describeRule, readRule, ruleOptions } from '../config/canary.ts'
import { compareTexts, describeComparison } from '../config/compare-texts.ts'
import { readText } from '../config/read-text.ts'
import { readShown } from '../config/write-entry.ts'
import { lines, styled } from '../output/view.ts'

/** `sdctl canary publish <key> <file>`: a text of an entry for some instances. */
export const canaryPublish: WriteCommand = {
  writes: true,
  arguments: [
    { name: 'key', description: 'key of the entry, as in sdctl config ls' },
    { name: 'file', description: 'file with the new text, or - for the standard input' },
  ],
  options: ruleOptions,
  async plan(context) {
    const key = context.argument('key')
    const rule = readRule(context)
    const content = await readText('file', context.argument('file'), context)
    const shown = await readShown(context, key)
    const place = await context.describePlace('config')
    const { readConfigText } = await import('@sd/config')
    readConfigText(content, { key })
    const comparison = await compareTexts({ key, isSecret: shown?.isSecret }, shown?.content ?? null, content)
    return {
      view: [lines(styled('bold', `${key} of ${place} will differ for ${describeRule(rule)}:`)), describeComparison(comparison)],
      async apply({ openWritableConfig, author, reason, signal }) {
        const { createCanaryRelease } = await import('@sd/config')
        const release = createCanaryRelease({ source: await openWritableConfig(), key })
        const { releaseId } = await release.publish(content, { rule, author, comment: reason, signal })
        return {
          data: { place, key, releaseId, rule, reason, ...comparison },
          view: [lines(`The canary release of ${key} was published. sdctl canary promote ${key} applies it to all instances.`)],
        }
      },
    }
  },
}
