import { createConfigLineMask } from '@sd/config'
import { type Masking, SdError } from '@sd/core'
import { createTwoFilesPatch, FILE_HEADERS_ONLY } from 'diff'
import type { ConfigVersion } from './record.ts'

const timeout = 2_000

/** Options of {@link diffTexts}. */
export interface TextDiffOptions {
  /** Key of the entry. */
  readonly key: string
  /** Masking rule; `undefined` shows everything. */
  readonly masking: Masking | undefined
  /** Parses a text, so that secrets are found by their paths. Can throw any error. */
  readonly parse: (content: string) => unknown
}

/** Creates a unified diff of two versions. @throws SdError `SD_TOO_LARGE` if the comparison takes longer than 2 s */
export function diffTexts(before: ConfigVersion, after: ConfigVersion, options: TextDiffOptions): string {
  const { key, masking } = options
  const patch = createTwoFilesPatch(key, key, before.content ?? '', after.content ?? '', headerOf(before), headerOf(after), {
    context: 3,
    timeout,
    headerOptions: FILE_HEADERS_ONLY,
  })
  if (patch === undefined)
    throw new SdError('SD_TOO_LARGE', `Comparing versions ${before.version} and ${after.version} of ${key} takes too long`)
  if (!masking) return patch
  const contents = [before, after].map(({ content }) => content ?? '')
  const mask = createConfigLineMask(contents, { key, masking, parse: options.parse })
  const [from = '', to = '', ...lines] = patch.split('\n')
  return [from, to, ...lines.map((line) => (/^[ +-]/.test(line) ? `${line[0]}${mask(line.slice(1))}` : line))].join('\n')
}

function headerOf({ version }: ConfigVersion): string {
  return `version ${version}`
}
