import { invalidError } from '@sd/core'
import { configOptions } from '../backend-options.ts'
import type { ReadCommand } from '../command.ts'
import { lines, styled } from '../output/view.ts'

/** `sdctl config verify <key>`: whether the history of an entry is complete and unchanged. */
export const configVerify: ReadCommand = {
  arguments: [{ name: 'key', description: 'key of the entry, as in sdctl config ls' }],
  options: [
    ...configOptions,
    { flags: '--anchor <head>', description: 'the head that an earlier run has printed: it must still be in the chain' },
  ],
  async run(context) {
    const key = context.argument('key')
    const anchor = readAnchor(context.option('anchor'))
    const history = await context.openHistory(key)
    const found = await history.verify({ signal: context.signal, ...(anchor && { anchor }) })
    const { isValid, records, head, problem } = found
    const place = `head ${head.sequence}:${head.hash}`
    return {
      data: { place: await context.describePlace('config'), key, isValid, records, head, ...(problem && { problem }) },
      hasProblems: !isValid,
      view: [
        isValid
          ? lines([styled('green', '✓ '), `The history of ${key} is unchanged: ${records} records`], styled('dim', place))
          : lines(
              [styled('red', '✗ '), `The history of ${key} was changed at line ${problem?.line}: ${problem?.reason}`],
              styled('dim', place),
            ),
      ],
    }
  },
}

function readAnchor(text: string | undefined): { readonly sequence: number; readonly hash: string } | undefined {
  if (text === undefined) return undefined
  const [, sequence, hash] = /^(\d{1,15}):([0-9a-f]{64})$/.exec(text) ?? []
  if (sequence === undefined || hash === undefined) throw invalidError('--anchor', text, 'a head such as 12:9f86…')
  return { sequence: Number(sequence), hash }
}
