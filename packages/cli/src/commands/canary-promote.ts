import type { WriteCommand } from '../command.ts'
import { describeAdoption, waitOption, watchAdoption } from '../config/adoption.ts'
import { readCanary } from '../config/canary.ts'
import { describeComparison } from '../config/compare-texts.ts'
import { fleetOptions } from '../fleet/fleet-options.ts'
import { lines, styled } from '../output/view.ts'

/** `sdctl canary promote <key>`: applies a canary release to all instances. */
export const canaryPromote: WriteCommand = {
  writes: true,
  arguments: [{ name: 'key', description: 'key of the entry, as in sdctl config ls' }],
  options: [...fleetOptions, waitOption],
  async plan(context) {
    const key = context.argument('key')
    const source = await context.openConfig()
    const { canary, comparison } = await readCanary(context)
    const place = await context.describePlace('config')
    const { releaseId } = canary
    return {
      view: [
        lines(styled('bold', `Changes ${key} of ${place} for all instances, and ends its canary release:`)),
        describeComparison(comparison),
      ],
      async apply(writing) {
        const { createCanaryRelease } = await import('@sd/config')
        const { author, reason, signal } = writing
        const release = createCanaryRelease({ source: await writing.openWritableConfig(), key })
        const { result, adoption } = await watchAdoption(writing, source.name, () =>
          release.promote({ author, comment: reason, signal }),
        )
        return {
          data: { place, key, releaseId, revision: result.revision, reason, ...comparison, ...(adoption && { adoption }) },
          view: [lines(`The canary release of ${key} was promoted.`, ...describeAdoption(adoption))],
        }
      },
    }
  },
}
