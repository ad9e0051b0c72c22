import { type Directives, parseDirectives } from './directives.ts'
import { getField, type RawFields } from './fields.ts'

/** Which directives of responses apply to a cache. */
export interface CacheKind {
  readonly isShared: boolean
  /** Targeted fields (RFC 9213), names in lower case, the most specific one first. */
  readonly targets: readonly string[]
}

/** What a response says about its storage. */
export interface ResponsePolicy {
  readonly directives: Directives
  /** The field `expires`; absent if a targeted field applies in its place. */
  readonly expires: string | undefined
}

/**
 * Reads what applies to a cache: the first of its targeted fields that is valid and not empty, else `cache-control` and `expires`
 * (RFC 9213, 2.2).
 */
export function readPolicy(rawHeaders: RawFields, { targets }: Pick<CacheKind, 'targets'>): ResponsePolicy {
  for (const name of targets) {
    const directives = parseTargeted(getField(rawHeaders, name))
    if (directives && directives.size > 0) return { directives, expires: undefined }
  }
  return { directives: parseDirectives(getField(rawHeaders, 'cache-control')), expires: getField(rawHeaders, 'expires') }
}

const key = '[a-z*][a-z\\d_\\-.*]*'
const text = '"(?:[ !#-[\\]-~]|\\\\["\\\\])*"'
const item = `-?\\d{1,12}\\.\\d{1,3}|-?\\d{1,15}|${text}|[A-Za-z*][\\w!#$%&'*+\\-.^\`|~:/]*|:[A-Za-z\\d+/=]*:|\\?[01]`
const parameters = `(?:; *${key}(?:=(?:${item}))?)*`
const list = `\\( *(?:(?:${item})${parameters}(?: +(?:${item})${parameters})*)? *\\)`
/** A member of a dictionary of structured fields (RFC 9651, 4.2.2), with what separates it from the next one. */
const member = new RegExp(`(${key})(?:=(?:(${item})|${list}))?${parameters}[ \\t]*(,[ \\t]*|$)`, 'y')

/** Directives with a time: in a targeted field it must be an integer. */
const timed: ReadonlySet<string> = new Set(['max-age', 's-maxage', 'stale-while-revalidate', 'stale-if-error'])

/** Reads a dictionary of directives. Of a directive that occurs twice, the last one is valid. @returns `undefined` if it is not one */
function parseTargeted(value: string | undefined): Directives | undefined {
  const directives = new Map<string, string>()
  const field = value?.trim()
  if (!field) return undefined
  let at = 0
  for (let separator = ','; separator !== ''; at = member.lastIndex) {
    member.lastIndex = at
    const [, name, given = '', end] = member.exec(field) ?? []
    // A comma at the end is an error too.
    if (name === undefined || end === undefined || (end !== '' && member.lastIndex === field.length)) return undefined
    if (timed.has(name) && !/^\d+$/.test(given)) return undefined
    separator = end
    if (given === '?0') directives.delete(name)
    else directives.set(name, given === '?1' ? '' : given.replace(/^"(.*)"$/, '$1').replaceAll(/\\(.)/g, '$1'))
  }
  return directives
}
