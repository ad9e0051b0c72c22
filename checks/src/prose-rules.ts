/** A habit of wording that docs/style.md asks to avoid. */
export interface ProseRule {
  /** Short name of the habit, as docs/style.md has it. */
  readonly habit: string
  /** What to write instead. */
  readonly instead: string
  /** Finds it; a space in it stands for any white space, so that it finds the habit across a line break. */
  readonly pattern: RegExp
}

const be = '(?:is|are|was|were|be|been|being|isn.t|aren.t|wasn.t|weren.t)'
const people =
  'people|persons?|users?|operators?|developers?|contributors?|authors?|teams?|readers?|maintainers?|administrators?|attackers?|humans?|customers?|reviewers?|anyone|someone|everyone|no one'
const machines =
  'registry|registries|backends?|servers?|instances?|endpoints?|agents?|nodes?|clients?|peers?|brokers?|replicas?|leader|member'
const degree =
  '(?:known|formed|defined|tested|documented|understood|suited|supported|worth|over|under|below|above|within|before|after|beyond|past|into|inside|outside|ahead|spread|mixed|balanced)'
const clauseEnd =
  '(?=[.,;:)]|$|\\s*$| (?:on|again|until|while|then|instead|at once|as before|from then|for the|there|here|as long)\\b)'

/** The habits that the gate finds, in the order of docs/style.md. Each is as narrow as it must be for correct English to pass. */
export const proseRules: readonly ProseRule[] = [
  rule(
    'is no X',
    '"is not a(n) X" or "is not X"',
    `(?<!\\bthere )(?<!\\bthere (?:will|would|can|may|must|should|might|could|has|have|had|to) )(?<!\\b(?:there has|there have) been )\\b${be} no (?!longer\\b|more\\b|less\\b|fewer\\b|later\\b|earlier\\b|greater\\b|better\\b|worse\\b|different\\b|matter\\b|one\\b|such\\b|or\\b|and\\b|op\\b)(?=[a-z])`,
  ),
  rule(
    'who for code',
    'the noun: the caller, the endpoint, the listener; "that" or "which" in a relative clause',
    `(?<!\\b(?:${people})(?: or [a-z]+| and [a-z]+|,)? )\\b(?:who|whom)\\b`,
  ),
  rule('whoever', 'the noun: "the caller", "the code that …"', '\\b(?:whoever|whomever)\\b'),
  rule(
    'somebody',
    'the noun (the caller, the process); "someone", "no one", "anyone" for people',
    '\\b(?:somebody|nobody|anybody|everybody)\\b',
  ),
  rule(
    'well and sick for healthy and unhealthy',
    '"healthy", "unhealthy"',
    `\\b(?:${be}|that|stays?|stayed|remains?|becomes?|not|none|nor|neither|yet|are all|still|if|seems?) well\\b(?!-)(?! ${degree}\\b)|\\bwell (?:again|endpoints?|instances?|ones?|servers?|or not)\\b|\\bunwell\\b|\\bsick\\b`,
  ),
  rule(
    'counts for applies',
    '"applies", "is in effect", "stays in effect"; "is counted" for numbers',
    `\\bcounts on\\b|(?<!\\b(?:to|can|not|n.t|cannot) )\\bcount on\\b|\\b(?:that|which|what|it|this|one|first|last|latter|former|version|value|values|setting|rule|option|default|header|layer|source|time|still|nothing|good|content|list|only|word|name) counts${clauseEnd}`,
  ),
  rule(
    'away for unreachable',
    '"unreachable", "unavailable", "disconnected", "removed"',
    `\\b(?:${be}|stays?|stayed|remains?|still) away\\b|\\b(?:goes|went|going|gone) away\\b`,
  ),
  rule(
    'gone for removed',
    '"removed", "closed", "disconnected", "no longer exists"',
    `\\b(?:${be}|has|have|had|already|once|half|be|as) gone\\b(?! (?:through|over|wrong|from|beyond|up|down))`,
  ),
  rule(
    'lost for disconnected',
    '"disconnected", "failed", "unreachable"',
    `\\b(?:${machines}) (?:is|was|are|were|has been|gets|got) lost\\b`,
  ),
  rule(
    'back for reconnected',
    '"reconnected", "reachable again", "restored", "returns"',
    `\\b${be} back\\b(?!-)(?! (?:to|at|below|under|within|off|in (?:sync|time)|up)\\b)`,
  ),
  rule('anew', '"again"', '\\b(?:anew|afresh)\\b'),
  rule('likewise', '"also", "in the same way", or say it twice', '\\blikewise\\b'),
  rule('meanwhile', '"while …", "in the meantime", "at the same time"', '\\bmeanwhile\\b'),
  rule(
    'so many, so long',
    '"that number of", "this long", "for that time"',
    '(?<!\\bnot )\\bso (?:many|long|few)\\b(?! as\\b)(?![^.;:]{0,80}\\bthat\\b)',
  ),
  rule(
    'machines that are told and hear',
    'the noun or "is notified", "receives", "reports"',
    `\\b(?:${be}|gets?|got|not) told\\b(?! apart)|\\buntold\\b|\\bhears? (?:of|from|about)\\b|\\b(?:has|have|had|been|is|was|be) heard\\b|\\bheard (?:of|from)\\b`,
  ),
  rule(
    'how it is',
    'the noun: state, status, result, outcome',
    '\\bhow (?:it|they|an? [a-z]+|the [a-z]+|one) (?:is|are|was|were|has been)(?=[.,;:)]|$)|\\bwhat came of\\b',
  ),
  rule('stands on', '"depends on", "is based on"', '\\b(?:stands?|stood|standing) on\\b'),
  rule('hangs on', '"is tied to", "depends on"; "blocks on" for a call', '\\b(?:hangs?|hung|hanging) on\\b(?! to\\b)'),
  rule('lets go', '"releases", "closes"', '\\b(?:lets?|letting) (?:[a-z]+ )?go\\b(?! (?:through|on|by)\\b)'),
  rule(
    'takes over',
    '"replaces", "becomes the leader", "serves instead"',
    '\\b(?:takes?|took|taken|taking) over\\b(?! (?:\\d|an?\\b|half\\b|two\\b|ten\\b))',
  ),
]

function rule(habit: string, instead: string, source: string): ProseRule {
  return { habit, instead, pattern: new RegExp(source.replaceAll(' ', '\\s+'), 'gi') }
}
