import { randomUUID } from 'node:crypto'
import { checkDuration, checkKnownKeys, checkName, checkObject, checkText, invalidError, SdError } from '@sd/core'

/** What to be silent about: alerts that match all that is given. At least one of `rule` and `labels` is. */
export interface SilenceOptions {
  /** Name of the rule. @default any */
  readonly rule?: string
  /** Labels that an alert must have. @default any */
  readonly labels?: Readonly<Record<string, string>>
  /** For how long, in milliseconds. */
  readonly durationMs: number
  /** Why. */
  readonly comment: string
}

/** A silence. Plain data. */
export interface Silence extends Omit<SilenceOptions, 'durationMs'> {
  /** Its id. */
  readonly id: string
  /** When it ends by itself, in milliseconds since 1970. */
  readonly endsAt: number
}

/** The silences there are. Times are in milliseconds since 1970. */
export interface Silences {
  /** Adds one. @throws SdError `SD_INVALID`, `SD_TOO_LARGE` */
  add(options: SilenceOptions, now: number): Silence
  /** Those that have not ended. */
  list(now: number): readonly Silence[]
  /** Ends one. @returns whether there was one */
  expire(id: string): boolean
  /** Whether channels are not to be told of an alert. */
  isSilenced(rule: string, labels: Readonly<Record<string, string>>, now: number): boolean
}

const maxSilences = 1_000

/** Makes a list of silences. */
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
      if (rule === undefined && Object.keys(labels ?? {}).length === 0) throw invalidError('rule', rule, 'a rule, or labels')
      checkText('comment', comment, 10_000)
      const endsAt = now + checkDuration('durationMs', durationMs, 1)
      if (list(now).length >= maxSilences) throw new SdError('SD_TOO_LARGE', `There are ${maxSilences} silences already`)
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
