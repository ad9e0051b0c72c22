import { invalidError } from '@sd/core'

/** A segment of a template: a text, `*` for one segment, or `**` for the rest. */
type Segment = { readonly kind: 'text'; readonly text: string } | { readonly kind: 'one' } | { readonly kind: 'rest' }

/** A field of the request that segments of the path are the value of. */
interface Variable {
  readonly field: string
  readonly from: number
  readonly to: number
}

/** A path template of `google.api.http` (https://github.com/googleapis/googleapis/blob/master/google/api/http.proto). */
export interface PathTemplate {
  readonly segments: readonly Segment[]
  readonly variables: readonly Variable[]
  /** Text after the last colon. */
  readonly verb: string | undefined
}

const fieldPath = /^[a-z_]\w*(?:\.[a-z_]\w*)*$/i
const literal = /^(?:[\w\-.~!$&'()+,;=@]|%[\da-f]{2})+$/i

/** @throws SdError `SD_INVALID` that names `path` */
export function readTemplate(path: string, text: string): PathTemplate {
  const fail = (want: string): never => {
    throw invalidError(path, text, want)
  }
  const { body, verb } = splitVerb(text)
  if (!body.startsWith('/')) fail('a path template that begins with /')
  const segments: Segment[] = []
  const variables: Variable[] = []
  const add = (segment: string): void => {
    if (segments.at(-1)?.kind === 'rest') fail('** only as the last segment')
    if (segment === '*') segments.push({ kind: 'one' })
    else if (segment === '**') segments.push({ kind: 'rest' })
    else if (literal.test(segment)) segments.push({ kind: 'text', text: decode(segment, true) as string })
    else fail('a path template of segments, * and {field=pattern}')
  }
  for (const part of body.slice(1).split(/\/(?![^{]*\})/)) {
    if (!part.startsWith('{')) {
      add(part)
      continue
    }
    const [, field = '', pattern = '*'] = /^\{([^=}]+)(?:=([^}]+))?\}$/.exec(part) ?? []
    if (!fieldPath.test(field) || variables.some((other) => other.field === field))
      fail('a field once, as in {shelf.name=shelves/*}')
    const from = segments.length
    for (const segment of pattern.split('/')) add(segment)
    variables.push({ field, from, to: segments.length })
  }
  return { segments, variables, verb }
}

/** The verb is behind the last colon outside of variables. */
function splitVerb(text: string): { readonly body: string; readonly verb: string | undefined } {
  const at = text.lastIndexOf(':')
  const isVerb = at > text.lastIndexOf('/') && at > text.lastIndexOf('}')
  return isVerb ? { body: text.slice(0, at), verb: text.slice(at + 1) } : { body: text, verb: undefined }
}

/** Values of the variables of a template for a path without query; `undefined` if it does not match. */
export function matchTemplate({ segments, variables, verb }: PathTemplate, path: string): Map<string, string> | undefined {
  let rest = path
  if (verb !== undefined) {
    if (!path.endsWith(`:${verb}`)) return undefined
    rest = path.slice(0, -verb.length - 1)
  }
  const parts = rest.slice(1).split('/')
  const hasRest = segments.at(-1)?.kind === 'rest'
  if (hasRest ? parts.length < segments.length - 1 : parts.length !== segments.length) return undefined
  for (const [index, segment] of segments.entries()) {
    if (segment.kind === 'rest') break
    const part = parts[index] as string
    if (part === '' || (segment.kind === 'text' && decode(part, true) !== segment.text)) return undefined
  }
  const values = new Map<string, string>()
  for (const { field, from, to } of variables) {
    const isWide = to - from > 1 || segments[from]?.kind === 'rest'
    const end = segments[to - 1]?.kind === 'rest' ? parts.length : to
    const decoded = parts.slice(from, end).map((part) => decode(part, !isWide))
    if (decoded.includes(undefined)) return undefined
    values.set(field, decoded.join('/'))
  }
  return values
}

/** Of a value of several segments an escaped slash stays one. @returns `undefined` for escapes that are not UTF-8 */
function decode(part: string, isWhole: boolean): string | undefined {
  try {
    return decodeURIComponent(isWhole ? part : part.replace(/%2f/gi, '%252F'))
  } catch {
    return undefined
  }
}

const ranks = { text: 0, one: 1, rest: 2 }

/** Orders templates: at the first segment that differs, a text is before `*`, and that is before `**`; a verb is before none. */
export function compareTemplates(one: PathTemplate, other: PathTemplate): number {
  const length = Math.max(one.segments.length, other.segments.length)
  for (let index = 0; index < length; index++) {
    const [a, b] = [one.segments[index], other.segments[index]]
    const difference = (a ? ranks[a.kind] : 3) - (b ? ranks[b.kind] : 3)
    if (difference !== 0) return difference
  }
  return Number(one.verb === undefined) - Number(other.verb === undefined)
}

/** The same for templates that match the same paths. */
export function templateKey({ segments, verb }: PathTemplate): string {
  return `${segments.map((segment) => (segment.kind === 'text' ? `=${segment.text}` : segment.kind)).join('/')}:${verb ?? ''}`
}
