import { checkText, invalidError } from '@sd/core'

/** Types of a response. */
export interface MediaTypes {
  /** @param contentType value of `content-type` */
  has(contentType: string): boolean
}

const typePattern = /^(?:[a-z\d!#$&^_.+-]+\/(?:\*|[a-z\d!#$&^_.+-]+)|\+[a-z\d]+)$/

/** What compresses well and is not compressed by itself. */
export const usualTypes: readonly string[] = [
  'text/*',
  'application/json',
  'application/javascript',
  'application/x-ndjson',
  'application/xml',
  'application/wasm',
  'font/otf',
  'font/ttf',
  '+json',
  '+xml',
]

/** Reads types, such as `text/*`, `application/json`, and `+json` for all with this suffix. @throws SdError `SD_INVALID` */
export function readMediaTypes(path: string, values: unknown): MediaTypes {
  if (!Array.isArray(values) || values.length === 0 || values.length > 100) {
    throw invalidError(path, values, 'an array of 1 to 100 types')
  }
  const exact = new Set<string>()
  for (const [index, value] of values.entries()) {
    const type = checkText(`${path}[${index}]`, value, 100)
    if (!typePattern.test(type)) {
      throw invalidError(
        `${path}[${index}]`,
        value,
        'a type in lower case without parameters: application/json, text/*, or +json',
      )
    }
    exact.add(type)
  }
  return { has: (contentType) => matches(exact, contentType) }
}

function matches(types: ReadonlySet<string>, contentType: string): boolean {
  const type = contentType.split(';', 1)[0]?.trim().toLowerCase() ?? ''
  // Its messages are compressed one by one, if at all, and clients read its frames as they are.
  if (/^application\/grpc\b/.test(type)) return false
  if (types.has(type)) return true
  // An event waits in an encoder until the next one, and proxies on the way may undo a flush: only if it is named.
  if (type === 'text/event-stream') return false
  const plus = type.lastIndexOf('+')
  return types.has(`${type.split('/', 1)[0]}/*`) || (plus > 0 && types.has(type.slice(plus)))
}
