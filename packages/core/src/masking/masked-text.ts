/** What stands for a secret in everything that is shown. */
export const MASK = '***'

const names =
  'pass(?:word|wd|phrase|code)|pwd|secret|token|credentials?|authorization|(?:api|access|account|private|secret|signing|encryption|master|shared)[-_ ]?key|sig|signature'
// Within the text of a JSON line a quote has a backslash, and may not lose it.
const unquoted = `(?:[^\\s;&,"'<>()\\[\\]{}\\\\]|\\\\[^"ntr])`

/** One kind of secret in texts. */
interface ContentRule {
  /** Without one of these in the text the pattern is not tried: looking for them costs next to nothing. */
  readonly signs: readonly string[]
  /** Linear in the text: what it repeats is bounded, or can't begin again within itself. */
  readonly pattern: RegExp
  /** What the pattern is replaced by. */
  readonly mask: string | ((...found: string[]) => string)
}

/** `"password":"…"`, with a backslash before the quotes in JSON within a text of JSON. */
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
    // scheme://user:password@host; the password may have a slash or an @ that should have been escaped.
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
/** JSON that is not within a text. */
const plainJson = jsonRule('', ['":', "':"])

/** A text without the secrets that its content shows, see `Masking.text`. */
export function maskText(text: string): string {
  return maskJsonLine(apply(plainJson, text))
}

/** The same of a line of JSON in which fields with secret names are masked already; it stays JSON. */
export function maskJsonLine(line: string): string {
  return rules.reduce((masked, rule) => apply(rule, masked), line)
}

function apply({ signs, pattern, mask }: ContentRule, text: string): string {
  return signs.some((sign) => text.includes(sign)) ? text.replace(pattern, mask as string) : text
}
