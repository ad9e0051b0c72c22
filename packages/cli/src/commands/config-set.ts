import { SdError } from '@sd/core'
import type { WriteCommand } from '../command.ts'
import { describeAdoption, waitOption, watchAdoption } from '../config/adoption.ts'
import { compareTexts, describeComparison } from '../config/compare-texts.ts'
import { readText } from '../config/read-text.ts'
import { describeWritten, readShown, writeEntry } from '../config/write-entry.ts'
import { fleetOptions } from '../fleet/fleet-options.ts'
import { lines, styled } from '../output/view.ts'

/** `sdctl config set <key> <file>`: writes an entry, as a new version of its history. */
export const configSet: WriteCommand = {
  writes: true,
  arguments: [
    { name: 'key', description: 'key of the entry' },
    { name: 'file', description: 'file with the new text, or - for the standard input' },
  ],
  options: [...fleetOptions, waitOption, { flags: '--any-text', description: 'also writes a text that can not be parsed' }],
  async plan(context) {
    const key = context.argument('key')
    const content = await readText('file', context.argument('file'), context)
    const [source, shown, place] = await Promise.all([
      context.openConfig(),
      readShown(context, key),
      context.describePlace('config'),
    ])
    const isSecret = shown?.isSecret ?? false
    if (!context.flag('anyText')) await checkText(key, content)
    const comparison = await compareTexts({ key, isSecret }, shown?.content ?? null, content)
    const isEqual = shown?.content === content
    const title = isEqual
      ? `${key} of ${place} has this text already; nothing will be written.`
      : `${shown ? 'Changes' : 'Adds'} ${key} of ${place}:`
    return {
      view: [lines(styled('bold', title)), ...(isEqual ? [] : [describeComparison(comparison)])],
      async apply(writing) {
        const data = { place, key, reason: writing.reason, ...comparison }
        if (isEqual) return { data: { ...data, state: 'unchanged' }, view: [] }
        const { result, adoption } = await watchAdoption(writing, source.name, () =>
          writeEntry(writing, key, shown, (history, notes) => history.put(content, notes), content),
        )
        return {
          data: { ...data, ...result, ...(adoption && { adoption }) },
          view: [lines(describeWritten(key, result), ...describeAdoption(adoption))],
        }
      },
    }
  },
}

/** A text that no process can read would be refused by all of them. @throws SdError `SD_MALFORMED` with the line */
async function checkText(key: string, content: string): Promise<void> {
  const { readConfigText } = await import('@sd/config')
  try {
    readConfigText(content, { key })
  } catch (error) {
    if (!(error instanceof SdError)) throw error
    throw new SdError(error.code, `${error.message}; --any-text writes it nevertheless`)
  }
}
