import {
  type ConfigEntry,
  checkKnownKeys,
  checkObject,
  checkText,
  invalidError,
  MASK,
  type Masking,
  masking as usualMasking,
} from '@sd/core'
import { readConfigText } from './read-text.ts'
import { secretTexts } from './secrets.ts'

/** Minimum length of a line of a secret that is searched for in other lines. */
const shortestSecret = 4

/** Options of {@link createConfigLineMask}. */
export interface ConfigLineMaskOptions {
  /** Key of the entry. */
  readonly key: string
  /** Masking rule. @default `masking` of `@sd/core` */
  readonly masking?: Masking
  /** Parses a text, so that secrets are found by their paths. Can throw any error. @default {@link readConfigText} */
  readonly parse?: (content: string) => unknown
}

/**
 * Masks the secrets of an entry, for display: the values at secret paths wherever they occur, and what is secret by its
 * name or content. In a text that can't be parsed, the name and content of each line decide. An entry that is secret as a
 * whole becomes {@link MASK}.
 *
 * @param masking the rule. @default `masking` of `@sd/core`
 */
export function maskConfigEntry(
  { key, content, format, isSecret = false }: Pick<ConfigEntry, 'key' | 'content' | 'format' | 'isSecret'>,
  masking: Masking = usualMasking,
): string {
  if (isSecret) return MASK
  const parse = (text: string): unknown => readConfigText(text, { key, format })
  return content
    .split('\n')
    .map(createConfigLineMask([content], { key, masking, parse }))
    .join('\n')
}

/**
 * Creates a function that masks the secrets of some texts in single lines, such as those of a diff.
 *
 * @param contents all texts that the lines are from, such as two versions of an entry
 * @throws SdError `SD_INVALID` that names the argument
 */
export function createConfigLineMask(contents: readonly string[], options: ConfigLineMaskOptions): (line: string) => string {
  checkKnownKeys('', checkObject('options', options), ['key', 'masking', 'parse'])
  if (!Array.isArray(contents)) throw invalidError('contents', contents, 'an array of texts')
  const { masking = usualMasking, parse = (content) => readConfigText(content, { key }) } = options
  const key = checkText('key', options.key, 1_024)
  if (masking.isSecretPath(key.replace(/\.[^./]*$/, '').split('/'))) return () => MASK
  const secrets = new Set<string>()
  for (const content of contents) {
    const found = [...secretValues(content, parse, masking), ...privateKeys(content)]
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
    return secretTexts(parse(content), [], (path) => masking.isSecretPath(path))
  } catch {
    return []
  }
}

/** Private keys, because a diff can show their lines without the header that identifies them. */
function privateKeys(content: string): readonly string[] {
  return content.match(/-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----[^-]*/g) ?? []
}
