import type { ConfigDifference } from '@sd/config-history'
import { type ConfigEntry, SdError } from '@sd/core'
import { type Block, type Line, lines, source, styled } from '../output/view.ts'

/** Masked differences of two texts: of their values, and of their lines. */
export interface Comparison {
  /** Absent if one of the texts can't be parsed. */
  readonly values?: readonly ConfigDifference[]
  /** A unified diff. */
  readonly text: string
}

/** Compares two texts of an entry as its history does; `null` stands for no entry. */
export async function compareTexts(
  { key, isSecret = false }: Pick<ConfigEntry, 'key' | 'isSecret'>,
  before: string | null,
  after: string | null,
): Promise<Comparison> {
  const [{ createMemoryConfigSource }, { createConfigHistory, createMemoryStore }] = await Promise.all([
    import('@sd/config'),
    import('@sd/config-history'),
  ])
  await using entries = createMemoryConfigSource({ entries: { [key]: before ?? '' } })
  const masking = isSecret ? { paths: [/^/] } : {}
  const history = createConfigHistory({ source: entries, key, store: createMemoryStore(), author: 'sdctl', masking })
  // Records the text before as the first version.
  await history.list()
  if (after === before) return { values: [], text: '' }
  await (after === null ? history.delete() : history.put(after))
  return compareVersions(history, 1, 2)
}

/** Compares two versions of a history. */
export async function compareVersions(
  history: {
    diff(before: number, after: number): Promise<readonly ConfigDifference[]>
    diffText(before: number, after: number): Promise<string>
  },
  before: number,
  after: number,
): Promise<Comparison> {
  const text = await history.diffText(before, after)
  try {
    return { values: await history.diff(before, after), text }
  } catch (error) {
    // What can't be parsed has lines, but no values.
    if (error instanceof SdError && (error.code === 'SD_MALFORMED' || error.code === 'SD_TOO_LARGE')) return { text }
    throw error
  }
}

const marks = { added: styled('green', '+ '), updated: styled('yellow', '~ '), removed: styled('red', '- ') }

/** Differences for people: a line for each value, or the lines of the texts. */
export function describeComparison({ values, text }: Comparison): Block {
  if (values === undefined) return source(text)
  if (values.length === 0) return lines(text === '' ? 'Nothing differs.' : 'No value differs, only the form of the text.')
  return lines(...values.map(describeDifference))
}

function describeDifference({ path, kind, before, after }: ConfigDifference): Line {
  const [was, is] = [before, after].map((value) => (value === undefined ? '' : formatValue(value)))
  const change = kind === 'updated' ? `${was} → ${is}${was === is ? ' (changed)' : ''}` : `${was}${is}`
  return [marks[kind], styled('bold', path), `  ${change}`]
}

/** A value of a configuration in one line. */
export function formatValue(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? '')
}
