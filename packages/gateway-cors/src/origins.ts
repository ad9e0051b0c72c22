import { checkText, invalidError } from '@sd/core'

/** An origin as browsers send it: scheme, host and port, of any scheme. */
const originPattern = /^[a-z][a-z\d+.-]*:\/\/(?:[a-z\d](?:[\w.-]*[a-z\d])?|\[[\da-f:.]+\])(?::\d{1,5})?$/
/** The same with `*.` before the host. */
const wildcardPattern = /^([a-z][a-z\d+.-]*:\/\/)\*(\.[a-z\d](?:[\w.-]*[a-z\d])?(?::\d{1,5})?)$/

/** Which origins may read responses. */
export interface AllowedOrigins {
  /** Whether every origin may. */
  readonly isAny: boolean
  /** Whether the value of an `origin` field is that of an allowed origin. */
  has(origin: string): boolean
}

/** Reads a list of origins. @throws SdError `SD_INVALID` that names the entry */
export function readOrigins(path: string, values: readonly unknown[]): AllowedOrigins {
  const exact = new Set<string>()
  const wildcards: { readonly start: string; readonly end: string }[] = []
  for (const [index, value] of values.entries()) {
    const field = `${path}[${index}]`
    const origin = checkText(field, value, 300)
    if (origin === '*' && values.length > 1) throw invalidError(field, value, 'no other origin beside *')
    const [, start, end] = wildcardPattern.exec(origin) ?? []
    if (start !== undefined && end !== undefined) {
      checkCanonical(field, value, `${start}a${end}`)
      wildcards.push({ start, end })
    } else {
      if (origin !== '*' && origin !== 'null') checkCanonical(field, value, origin)
      exact.add(origin)
    }
  }
  return {
    isAny: exact.has('*'),
    has: (origin) => exact.has(origin) || wildcards.some((wildcard) => isBelow(origin, wildcard)),
  }
}

/** Whether an origin is the wildcard with one or more labels of a host in its place. */
function isBelow(origin: string, { start, end }: { readonly start: string; readonly end: string }): boolean {
  if (!origin.startsWith(start) || !origin.endsWith(end)) return false
  return /^[a-z\d_-]+(?:\.[a-z\d_-]+)*$/.test(origin.slice(start.length, -end.length))
}

/** Browsers send no other form: one that differs would never match. */
function checkCanonical(field: string, value: unknown, origin: string): void {
  const isHttp = /^https?:/.test(origin)
  const isOrigin = originPattern.test(origin) && (!isHttp || (URL.canParse(origin) && new URL(origin).origin === origin))
  if (isOrigin) return
  throw invalidError(
    field,
    value,
    '*, null, or an origin as browsers send it, such as https://app.example.com or https://*.example.com: in lower case, without a path and without the default port',
  )
}
