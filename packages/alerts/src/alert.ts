import { masking } from '@sd/core'
import type { AlertSeverity, Condition } from './rule.ts'

/**
 * `pending`: the condition holds, but not for long enough. `firing`: channels are notified. `resolved`: the alert has ended and
 * is shown for 15 minutes. Otherwise an alert is inactive and not shown.
 */
export type AlertState = 'pending' | 'firing' | 'resolved'

/** One alert of a rule at one moment. Plain data. Times are in Unix milliseconds. */
export interface Alert {
  /** Equal for the same rule and labels. */
  readonly id: string
  /** Name of the rule. */
  readonly rule: string
  /** Current state. */
  readonly state: AlertState
  /** Severity of the rule. */
  readonly severity: AlertSeverity
  /** Labels that the rule groups by; for an absence rule, the labels it selects. */
  readonly labels: Readonly<Record<string, string>>
  /** Condition of the rule. */
  readonly condition: Condition | 'absent'
  /** Threshold of the rule; absent for an absence rule. */
  readonly threshold?: number
  /** The value when the condition last held. */
  readonly value?: number
  /** Since when the condition holds. */
  readonly activeAt: number
  /** Since when the alert fires. */
  readonly firingAt?: number
  /** When the alert ended. */
  readonly resolvedAt?: number
  /** Whether a silence suppresses notifications. */
  readonly isSilenced: boolean
  /** Metadata of the rule. */
  readonly metadata: Readonly<Record<string, string>>
}

/** Maximum length of a label value in a line. */
const longestText = 200

/**
 * Makes a text from outside, such as a label, safe for chats and mails: on one line, without secrets, mentions (`@all`,
 * `<!channel>`), links, formatting and direction characters.
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

/** Describes an alert in one line, such as `[critical] errors{service="orders"} is firing: 0.31 > 0.05`. */
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
