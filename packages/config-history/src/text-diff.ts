import { MASK, type Masking, SdError } from '@sd/core'
import { createTwoFilesPatch, FILE_HEADERS_ONLY } from 'diff'
import type { ConfigVersion } from './record.ts'
import { secretsOf } from './structured-diff.ts'

const timeout = 2_000
/** Minimum length of a line of a secret that is searched for in other lines. */
const shortestSecret = 4

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
  const mask = createLineMask([before, after], options, masking)
  const [from = '', to = '', ...lines] = patch.split('\n')
  return [from, to, ...lines.map((line) => (/^[ +-]/.test(line) ? `${line[0]}${mask(line.slice(1))}` : line))].join('\n')
}

/** Creates a function that masks secrets in a line: by path, by the name in the line, and by content. */
function createLineMask(
  versions: readonly ConfigVersion[],
  { key, parse }: TextDiffOptions,
  masking: Masking,
): (line: string) => string {
  if (masking.isSecretPath(key.replace(/\.[^./]*$/, '').split('/'))) return () => MASK
  const secrets = new Set<string>()
  for (const { content } of versions) {
    const found = [...secretValues(content ?? '', parse, masking), ...privateKeys(content ?? '')]
    for (const line of found.flatMap((secret) => secret.split('\n'))) {
      if (line.trim().length >= shortestSecret) secrets.add(line.trim())
    }
  }
  const longestFirst = [...secrets].sort((a, b) => b.length - a.length)
  return (line) => {
    const [, name, path = ''] =
      /^(\s*(?:- )?(?:export )?["']?([\w.[\]/-]{1,256})["']?\s*[:=]\s*)(?=\S)(?![{[|>&*][-+]?\s*$)/.exec(line) ?? []
    const isSecret = name !== undefined && masking.isSecretPath(path.split(/[./[\]]+|__/))
    if (isSecret) return `${name}${MASK}`
    return masking.text(longestFirst.reduce((text, secret) => text.replaceAll(secret, MASK), line))
  }
}

/** The secret values of a text; empty if it can't be parsed. */
function secretValues(content: string, parse: (content: string) => unknown, masking: Masking): readonly string[] {
  try {
    return secretsOf(parse(content), masking)
  } catch {
    return []
  }
}

/** Private keys, because a diff can show their lines without the header that identifies them. */
function privateKeys(content: string): readonly string[] {
  return content.match(/-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----[^-]*/g) ?? []
}

function headerOf({ version }: ConfigVersion): string {
  return `version ${version}`
}
