import { masking } from '@sd/core'
import type { AlertSeverity, Condition } from './rule.ts'

/**
 * `pending`: true, but not for long enough. `firing`: channels are told. `resolved`: it fired and is over; shown for 15 minutes. An alert
 * that is none of these is inactive, and not shown.
 */
export type AlertState = 'pending' | 'firing' | 'resolved'

/** One alert of a rule, as of one moment. Plain data. Times are in milliseconds since 1970. */
export interface Alert {
  /** The same for the same rule and labels. */
  readonly id: string
  /** Name of the rule. */
  readonly rule: string
  /** Its state. */
  readonly state: AlertState
  /** How bad it is. */
  readonly severity: AlertSeverity
  /** Labels that the rule groups by; for an absence rule, those that it wants. */
  readonly labels: Readonly<Record<string, string>>
  /** How the value is compared. */
  readonly condition: Condition | 'absent'
  /** What it is compared with; absent for an absence rule. */
  readonly threshold?: number
  /** The value when the rule was last true. */
  readonly value?: number
  /** Since when the rule is true. */
  readonly activeAt: number
  /** Since when it fires. */
  readonly firingAt?: number
  /** When it ended. */
  readonly resolvedAt?: number
  /** Whether a silence keeps channels from being told. */
  readonly isSilenced: boolean
  /** The rule's. */
  readonly metadata: Readonly<Record<string, string>>
}

/** Longest text of a label in a line. */
const longestText = 200

/**
 * A text from outside, such as a label, as it may stand in chats and mails: on one line, without secrets, and without what would call people (`@all`,
 * `<!channel>`), make links or formats, or turn the direction of what follows.
 */
function quietText(text: string): string {
  const short = text.length > longestText ? `${text.slice(0, longestText)}…` : text
  return masking
    .text(short)
    .toWellFormed()
    .replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\s]+/gu, ' ')
    .replaceAll('@', '@\u200b')
    .replaceAll('<', '‹')
    .replaceAll('>', '›')
    .replaceAll('`', 'ˋ')
    .replaceAll('](', '] (')
}

/** An alert in one line, such as `[critical] errors{service="orders"} is firing: 0.31 > 0.05`. */
export function describeAlert(alert: Alert): string {
  const { severity, rule, labels, state, condition, threshold, value, metadata } = alert
  const list = Object.entries(labels).map(([name, text]) => `${name}=${JSON.stringify(quietText(text))}`)
  const subject = `[${severity}] ${rule}${list.length > 0 ? `{${list.join(', ')}}` : ''} is ${state}`
  const reason = condition === 'absent' ? 'no such series' : `${round(value)} ${condition} ${threshold}`
  const summary = metadata['summary'] === undefined ? '' : `: ${metadata['summary'].replace(/\s+/g, ' ')}`
  return state === 'resolved' ? `${subject}${summary}` : `${subject}: ${reason}${summary}`
}

function round(value: number | undefined): string {
  return String(Number(value?.toPrecision(6)))
}
