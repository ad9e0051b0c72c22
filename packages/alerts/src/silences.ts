import { randomUUID } from 'node:crypto'
import { checkDuration, checkKnownKeys, checkName, checkObject, checkText, invalidError, SdError } from '@sd/core'

/** Selects the alerts to silence: those that match all given members. At least one of `rule` and `labels` is required. */
export interface SilenceOptions {
  /** Name of the rule. @default any */
  readonly rule?: string
  /** Labels that an alert must have. @default any */
  readonly labels?: Readonly<Record<string, string>>
  /** Duration, in milliseconds. */
  readonly durationMs: number
  /** Reason. */
  readonly comment: string
}

/** A silence. Plain data. */
export interface Silence extends Omit<SilenceOptions, 'durationMs'> {
  /** Id of the silence. */
  readonly id: string
  /** When it expires, in Unix milliseconds. */
  readonly endsAt: number
}

/** A list of silences. Times are in Unix milliseconds. */
export interface Silences {
  /** Adds a silence. @throws SdError `SD_INVALID`, `SD_TOO_LARGE` */
  add(options: SilenceOptions, now: number): Silence
  /** Silences that have not ended. */
  list(now: number): readonly Silence[]
  /** Ends a silence. @returns whether it existed */
  expire(id: string): boolean
  /** Whether notifications about an alert are suppressed. */
  isSilenced(rule: string, labels: Readonly<Record<string, string>>, now: number): boolean
}

const maxSilences = 1_000

/** Creates an empty list of silences. */
export function createSilences(): Silences {
  const silences = new Map<string, Silence>()

  function list(now: number): Silence[] {
    for (const { id, endsAt } of silences.values()) {
      if (endsAt <= now) silences.delete(id)
    }
    return [...silences.values()]
  }

  return {
    add(options, now) {
      checkKnownKeys('', checkObject('options', options), ['rule', 'labels', 'durationMs', 'comment'])
      const { rule, labels, durationMs, comment } = options
      if (rule !== undefined) checkName('rule', rule)
      for (const [name, text] of Object.entries(checkObject('labels', labels ?? {}))) checkText(`labels.${name}`, text, 10_000)
      if (rule === undefined && Object.keys(labels ?? {}).length === 0) throw invalidError('rule', rule, 'a rule or labels')
      checkText('comment', comment, 10_000)
      const endsAt = now + checkDuration('durationMs', durationMs, 1)
      if (list(now).length >= maxSilences)
        throw new SdError('SD_TOO_LARGE', `The limit of ${maxSilences} silences is reached: expire some first`)
      const silence: Silence = {
        id: randomUUID(),
        ...(rule !== undefined && { rule }),
        ...(labels !== undefined && { labels: { ...labels } }),
        comment,
        endsAt,
      }
      silences.set(silence.id, silence)
      return silence
    },
    list,
    expire: (id) => silences.delete(id),
    isSilenced: (rule, labels, now) =>
      list(now).some(
        (silence) =>
          (silence.rule ?? rule) === rule && Object.entries(silence.labels ?? {}).every(([name, text]) => labels[name] === text),
      ),
  }
}
