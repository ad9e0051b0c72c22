import { invalidError, MAX_DURATION_MS } from '@sd/core'

const units: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }

/** Reads a duration with its unit, such as `500ms` or `10s`. @returns milliseconds @throws SdError `SD_INVALID` */
export function readDuration(field: string, text: string): number {
  const [, number = '', unit = ''] = /^(\d{1,10}(?:\.\d{1,3})?)(ms|s|m|h)$/.exec(text) ?? []
  const duration = Math.round(Number(number) * (units[unit] ?? Number.NaN))
  if (duration >= 1 && duration <= MAX_DURATION_MS) return duration
  throw invalidError(field, text, 'a time with its unit, such as 500ms, 10s or 2m')
}

/** Writes how much time has passed, in one unit: `12 min`. */
export function formatAge(ageMs: number): string {
  const seconds = Math.max(0, Math.floor(ageMs / 1_000))
  if (seconds < 60) return `${seconds} s`
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min`
  if (seconds < 48 * 3_600) return `${Math.floor(seconds / 3_600)} h`
  return `${Math.floor(seconds / 86_400)} d`
}
