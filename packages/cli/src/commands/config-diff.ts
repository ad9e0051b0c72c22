import { configOptions } from '../backend-options.ts'
import type { ReadCommand } from '../command.ts'
import { compareVersions, describeComparison } from '../config/compare-texts.ts'
import { readVersion } from '../config/version-argument.ts'

/** `sdctl config diff <key> <before> <after>`: what differs between two versions. Secrets are masked. */
export const configDiff: ReadCommand = {
  arguments: [
    { name: 'key', description: 'key of the entry, as in sdctl config ls' },
    { name: 'before', description: 'number of a version, as in sdctl config history' },
    { name: 'after', description: 'number of another version' },
  ],
  options: configOptions,
  async run(context) {
    const key = context.argument('key')
    const [before, after] = [readVersion('before', context.argument('before')), readVersion('after', context.argument('after'))]
    const comparison = await compareVersions(await context.openHistory(key), before, after)
    return {
      data: { place: await context.describePlace('config'), key, before, after, ...comparison },
      view: [describeComparison(comparison)],
    }
  },
}
