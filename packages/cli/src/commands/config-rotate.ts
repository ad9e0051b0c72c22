import type { WriteCommand } from '../command.ts'
import { findEntry } from '../config/entries.ts'
import { countKeys, describeKeys, keysOption, openKeys } from '../config/keys.ts'
import { describeWritten, writeEntry } from '../config/write-entry.ts'
import { lines, styled } from '../output/view.ts'

/** `sdctl config rotate <key>`: moves the encrypted values of an entry to the first key. */
export const configRotate: WriteCommand = {
  writes: true,
  arguments: [{ name: 'key', description: 'key of the entry, as in sdctl config ls' }],
  options: [keysOption],
  async plan(context) {
    const shown = await findEntry(context)
    const { key, content } = shown
    const place = await context.describePlace('config')
    const { reencrypt } = await import('@sd/config-crypto')
    const keys = await openKeys(context)
    const rotated = await reencrypt(content, { keys, signal: context.signal }).finally(() => keys.close())
    const [before, after] = [countKeys(content), countKeys(rotated)]
    const isEqual = rotated === content
    const title = isEqual
      ? `Nothing in ${key} of ${place} is encrypted with another key; nothing will be written.`
      : `Encrypts values of ${key} of ${place} again:`
    return {
      view: [
        lines(styled('bold', title)),
        ...(isEqual ? [] : [lines(`now    ${describeKeys(before)}`, `after  ${describeKeys(after)}`)]),
      ],
      async apply(writing) {
        const data = { place, key, reason: writing.reason, before, after }
        if (isEqual) return { data: { ...data, state: 'unchanged' }, view: [] }
        const result = await writeEntry(writing, key, shown, (history, notes) => history.put(rotated, notes), rotated)
        return { data: { ...data, ...result }, view: [lines(describeWritten(key, result))] }
      },
    }
  },
}
