/** Replacement for a secret in all output. */
export const MASK = '***'

const names =
  'pass(?:word|wd|phrase|code)|pwd|secret|token|credentials?|authorization|(?:api|access|account|private|secret|signing|encryption|master|shared)[-_ ]?key|sig|signature'
// In a JSON string a quote is preceded by a backslash, which must stay.
const unquoted = `(?:[^\\s;&,"'<>()\\[\\]{}\\\\]|\\\\[^"ntr])`

/** A kind of secret in text. */
interface ContentRule {
  /** Strings that the text must contain before the pattern is tried. Searching for them costs almost nothing. */
  readonly signs: readonly string[]
  /** Linear in the length of the text: repetitions are bounded, or can't restart within themselves. */
  readonly pattern: RegExp
  /** Replacement for the pattern. */
  readonly mask: string | ((...found: string[]) => string)
}

/** Matches `"password":"…"`. In JSON within a JSON string, the quotes are preceded by a backslash. */
function jsonRule(backslash: string, signs: readonly string[]): ContentRule {
  return {
    signs,
    pattern: new RegExp(
      `((${backslash}["'])[\\w.-]{0,64}?(?:${names})\\2\\s{0,4}:\\s{0,4})(?!"\\[Redacted\\]")(?:\\\\"[^"\\\\]*\\\\"|"(?:[^"\\\\]|\\\\.)*"|'[^'"]*'|[^\\s,"'}\\]\\[{\\\\]+)`,
      'gi',
    ),
    mask: (_, name, quote) => `${name}${quote}${MASK}${quote}`,
  }
}

const rules: readonly ContentRule[] = [
  {
    signs: ['PRIVATE KEY'],
    pattern: /-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----(?:[^"\\-]|-(?!----)|\\[^"])*(?:-----END [^"-]{0,60}-----)?/g,
    mask: MASK,
  },
  {
    // scheme://user:password@host. The password may contain an unescaped slash or @.
    signs: ['://'],
    pattern:
      /(:\/\/[^\s/:@"'<>]{0,256}:)(?!\d{1,5}(?:[/?#]|$))(?:[^\s"'<>@\\]|\\[^"ntr]){1,1024}(?:@[^\s/"'<>@:\\]{1,256}(?=@))*@/g,
    mask: `$1${MASK}@`,
  },
  { signs: ['oracle:'], pattern: /(jdbc:oracle:[a-z]{1,10}:[^\s/@"']{1,128}\/)[^\s@"']{1,256}@/gi, mask: `$1${MASK}@` },
  {
    signs: ['earer ', 'EARER ', 'asic ', 'ASIC ', 'igest ', 'egotiate '],
    pattern: /\b(bearer|negotiate|digest|basic) +(?!auth|token)(?:[\w.~+/=-]){6,}/gi,
    mask: `$1 ${MASK}`,
  },
  jsonRule('\\\\', ['\\":', "\\':"]),
  {
    // A line of YAML or .properties.
    signs: [': '],
    pattern: new RegExp(
      `^(\\s{0,64}(?:- )?[\\w.-]{0,64}?(?:${names})\\s{0,4}:\\s{1,4})(?![|>*&]|\\[Redacted)[^\\s"'{\\[][^\\n"]*`,
      'gim',
    ),
    mask: `$1${MASK}`,
  },
  {
    signs: ['='],
    pattern: new RegExp(
      `((?:${names})\\s{0,2}=\\s{0,2})(?:\\\\"[^"\\\\]*\\\\"|"[^"\\\\\\n]*"|'[^'"\\\\\\n]*'|(?:[^;\\n"'\\\\&]|\\\\[^"ntr]){1,512}(?=;)|${unquoted}+)`,
      'gi',
    ),
    mask: `$1${MASK}`,
  },
  { signs: ['eyJ'], pattern: /\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*/g, mask: MASK },
  {
    signs: ['gh', 'pat_', 'glpat-', 'xox', 'k_live_', 'k_test_', 'hvs.', 'hvb.', 'hvr.'],
    pattern:
      /\b(?:gh[pousr]_\w{16,}|github_pat_\w{16,}|glpat-[\w-]{16,}|xox[abeprs]-[\w-]{8,}|[sr]k_(?:live|test)_\w{8,}|hv[sbr]\.[\w-]{16,})/g,
    mask: MASK,
  },
]
/** JSON that is not nested in a string. */
const plainJson = jsonRule('', ['":', "':"])

/** Masks the secrets that a text contains, see `Masking.text`. */
export function maskText(text: string): string {
  return maskJsonLine(apply(plainJson, text))
}

/** Does the same for a line of JSON whose fields with secret names are already masked. The result is valid JSON. */
export function maskJsonLine(line: string): string {
  return rules.reduce((masked, rule) => apply(rule, masked), line)
}

function apply({ signs, pattern, mask }: ContentRule, text: string): string {
  return signs.some((sign) => text.includes(sign)) ? text.replace(pattern, mask as string) : text
}
