import { SdError } from '@sd/core'
import { createTwoFilesPatch, FILE_HEADERS_ONLY } from 'diff'
import type { ConfigVersion } from './record.ts'

const timeout = 2_000

/** A unified diff of two versions. @throws SdError `SD_TOO_LARGE` if comparing them takes longer than 2 s */
export function diffTexts(
  key: string,
  before: ConfigVersion,
  after: ConfigVersion,
  maskLine: ((line: string) => string) | undefined,
): string {
  const patch = createTwoFilesPatch(key, key, before.content ?? '', after.content ?? '', headerOf(before), headerOf(after), {
    context: 3,
    timeout,
    headerOptions: FILE_HEADERS_ONLY,
  })
  if (patch === undefined)
    throw new SdError('SD_TOO_LARGE', `Comparing versions ${before.version} and ${after.version} of ${key} takes too long`)
  if (!maskLine) return patch
  const [from = '', to = '', ...lines] = patch.split('\n')
  return [from, to, ...lines.map((line) => (/^[ +-]/.test(line) ? `${line[0]}${maskLine(line.slice(1))}` : line))].join('\n')
}

function headerOf({ version }: ConfigVersion): string {
  return `version ${version}`
}
