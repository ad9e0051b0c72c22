import { SdError } from '@sd/core'
import type { WriteCommand } from '../command.ts'
import { describeAdoption, waitOption, watchAdoption } from '../config/adoption.ts'
import { compareTexts, describeComparison } from '../config/compare-texts.ts'
import { countKeys, describeKeys } from '../config/keys.ts'
import { readVersion } from '../config/version-argument.ts'
import { describeWritten, readShown, writeEntry } from '../config/write-entry.ts'
import { fleetOptions } from '../fleet/fleet-options.ts'
import { lines, styled } from '../output/view.ts'

/** `sdctl config rollback <key> <version>`: writes an earlier version again, byte for byte, as a new version. */
export const configRollback: WriteCommand = {
  writes: true,
  arguments: [
    { name: 'key', description: 'key of the entry, as in sdctl config ls' },
    { name: 'version', description: 'number of the version, as in sdctl config history' },
  ],
  options: [...fleetOptions, waitOption],
  async plan(context) {
    const key = context.argument('key')
    const of = readVersion('version', context.argument('version'))
    const [source, shown, history, place] = await Promise.all([
      context.openConfig(),
      readShown(context, key),
      context.openHistory(key),
      context.describePlace('config'),
    ])
    const { content, state, author = 'unknown', comment } = await history.get(of, { signal: context.signal })
    if (state === 'failed') throw new SdError('SD_INVALID', `Version ${of} of ${key} was never written`, { field: 'version' })
    const isSecret = shown?.isSecret ?? false
    const comparison = await compareTexts({ key, isSecret }, shown?.content ?? null, content)
    const why = comment === undefined ? '' : `, "${comment}"`
    const keys = describeKeys(countKeys(content ?? ''))
    return {
      view: [
        lines(styled('bold', `${key} of ${place} will be its version ${of} (by ${author}${why}), byte for byte:`)),
        describeComparison(comparison),
        lines(
          ...(content === null ? ['That version has no text: the entry is removed.'] : []),
          ...(keys ? [`Encrypted: ${keys}`] : []),
        ),
      ],
      async apply(writing) {
        const { result, adoption } = await watchAdoption(writing, source.name, () =>
          writeEntry(writing, key, shown, (versions, notes) => versions.rollback(of, notes), content ?? ''),
        )
        return {
          data: { place, key, of, reason: writing.reason, ...comparison, ...result, ...(adoption && { adoption }) },
          view: [lines(describeWritten(key, result), ...describeAdoption(adoption))],
        }
      },
    }
  },
}
