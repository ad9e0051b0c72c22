import { readFile } from 'node:fs/promises'
import { diffLines } from 'diff'

/** Files of an app before and after, in pairs; a new file has nothing before it. */
export type FilePairs = readonly (readonly [before: URL | undefined, after: URL])[]

/** Lines that the adoption of an app added. */
export interface AddedLines {
  /** All of them: imports, changed lines and new files included, empty ones not. */
  readonly all: readonly string[]
  /** Those without metrics and configuration. */
  readonly withoutExtras: readonly string[]
}

/** What a line says that serves metrics or live values. */
const extras = /metrics|config/i

/** Compares the files. They are formatted, because the gate of the formatter checks them. */
export async function readAddedLines(pairs: FilePairs): Promise<AddedLines> {
  const lists = await Promise.all(
    pairs.map(async ([before, after]) => {
      const texts = [before ? await readFile(before, 'utf8') : '', await readFile(after, 'utf8')] as const
      return diffLines(...texts)
        .filter(({ added }) => added)
        .flatMap(({ value }) => value.split('\n'))
    }),
  )
  const all = lists.flat().filter((line) => line.trim() !== '')
  return { all, withoutExtras: all.filter((line) => !extras.test(line)) }
}
