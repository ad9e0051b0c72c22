import type { FieldMatch, RouteMatch, RouteSpec } from '../table/table.ts'
import type { RoutedRequest } from './routed-request.ts'

/** A condition of a route other than host and path. */
export interface RouteCondition {
  /** Where the table has it, such as `match.headers.x-lane`. */
  readonly field: string
  isMet(request: RoutedRequest): boolean
}

/** Methods of a route; `GET` includes `HEAD`. */
export function methodsOf({ methods }: RouteMatch): ReadonlySet<string> | undefined {
  if (!methods) return undefined
  return new Set(methods.includes('GET') ? [...methods, 'HEAD'] : methods)
}

/** The conditions of a route other than host and path. The methods are the last: if only they are not met, it is 405. */
export function conditionsOf({ listeners, match = {} }: Pick<RouteSpec, 'listeners' | 'match'>): RouteCondition[] {
  const conditions: RouteCondition[] = []
  const { protocol, headers = {}, query = {} } = match
  if (listeners) {
    const names = new Set(listeners)
    conditions.push({ field: 'listeners', isMet: (request) => names.has(request.listener) })
  }
  if (protocol) conditions.push({ field: 'match.protocol', isMet: (request) => request.protocol === protocol })
  for (const [name, field] of Object.entries(headers)) {
    const key = name.toLowerCase()
    conditions.push({
      field: `match.headers.${name}`,
      isMet: ({ rawHeaders }) => meetsField(field, readField(rawHeaders, key)),
    })
  }
  for (const [name, field] of Object.entries(query)) {
    conditions.push({ field: `match.query.${name}`, isMet: ({ path }) => meetsField(field, readParameter(path, name)) })
  }
  const methods = methodsOf(match)
  if (methods) conditions.push({ field: methodsField, isMet: (request) => methods.has(request.method) })
  return conditions
}

/** {@link RouteCondition.field} of the methods. */
export const methodsField = 'match.methods'

/**
 * Precedence of a route among those with the same host and path: by the number of its conditions, then by how many name
 * values, then by how many name a prefix.
 */
export function specificityOf({ listeners, match = {} }: Pick<RouteSpec, 'listeners' | 'match'>): number {
  const fields: FieldMatch[] = [...Object.values(match.headers ?? {}), ...Object.values(match.query ?? {})]
  const others = [listeners, match.protocol, match.methods].filter((condition) => condition !== undefined)
  const values = fields.filter((field) => typeof field === 'string' || 'oneOf' in field)
  const prefixes = fields.filter((field) => typeof field !== 'string' && 'prefix' in field)
  return (fields.length + others.length) * 10_000 + values.length * 100 + prefixes.length
}

/** Whether a text meets a condition; `undefined` for an absent field. */
export function meetsField(match: FieldMatch, value: string | undefined): boolean {
  if (typeof match === 'string') return value === match
  if ('present' in match) return match.present === (value !== undefined)
  if (value === undefined) return false
  return 'oneOf' in match ? match.oneOf.includes(value) : value.startsWith(match.prefix)
}

/** The value of a field; repeated ones are joined. */
function readField(rawHeaders: readonly string[], name: string): string | undefined {
  let found: string | undefined
  for (let index = 0; index < rawHeaders.length; index += 2) {
    if (rawHeaders[index] === name)
      found = found === undefined ? (rawHeaders[index + 1] as string) : `${found}, ${rawHeaders[index + 1]}`
  }
  return found
}

/** The first parameter of this name in the query. */
function readParameter(path: string, name: string): string | undefined {
  const question = path.indexOf('?')
  if (question < 0) return undefined
  for (const part of path.slice(question + 1).split('&')) {
    const equals = part.indexOf('=')
    if (decode(equals < 0 ? part : part.slice(0, equals)) === name) return equals < 0 ? '' : decode(part.slice(equals + 1))
  }
  return undefined
}

/** As forms encode it (https://url.spec.whatwg.org/#urlencoded-parsing). */
function decode(text: string): string {
  if (!/[%+]/.test(text)) return text
  const spaced = text.replaceAll('+', ' ')
  try {
    return decodeURIComponent(spaced)
  } catch {
    return spaced
  }
}
