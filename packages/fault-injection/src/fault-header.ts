import { checkRule, type ResolvedRule } from './fault-settings.ts'

/**
 * Header in which a request asks for a fault, if that is enabled: `delay=200; error=503`. The fields are `delay` and
 * `jitter` in milliseconds, `error` (a status or `unavailable`), `cut` in bytes, `share`, and `service`, the hop that
 * should apply it.
 */
export const FAULT_HEADER = 'x-fault'

const fields: Readonly<Record<string, keyof ResolvedRule>> = {
  delay: 'delayMs',
  jitter: 'jitterMs',
  error: 'error',
  cut: 'cutAfterBytes',
  share: 'share',
  service: 'service',
}

/** Parses the header. A malformed one is ignored: it comes from outside, and must not fail a call by itself. */
export function readFaultHeader(text: string): ResolvedRule | undefined {
  if (text.length > 256) return undefined
  const rule: Record<string, unknown> = {}
  for (const part of text.split(';')) {
    const [name = '', value = '', ...rest] = part.split('=').map((piece) => piece.trim())
    const field = Object.hasOwn(fields, name) ? fields[name] : undefined
    if (!field || value === '' || rest.length > 0 || field in rule) return undefined
    rule[field] = field === 'service' || value === 'unavailable' ? value : Number(value)
  }
  try {
    return checkRule(FAULT_HEADER, rule, 'header')
  } catch {
    return undefined
  }
}
