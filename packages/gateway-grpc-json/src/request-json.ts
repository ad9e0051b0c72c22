import { type DescField, type DescMessage, type JsonObject, type JsonValue, ScalarType } from '@bufbuild/protobuf'
import { SdError } from '@sd/core'
import type { BoundRequest } from './bindings.ts'

/** The request is not valid. @param what names the field, and nothing of its value */
export function refuse(what: string): SdError {
  return new SdError('SD_INVALID', what, { origin: 'caller', field: 'request' })
}

/** Options of {@link toRequestJson}. */
export interface RequestJsonOptions {
  /** Whether query parameters that are not fields are ignored. */
  readonly ignoresUnknown: boolean
}

/** Most query parameters of a request. */
const maxParameters = 1_000

/** The request message in the JSON form of protobuf: from the body, the query and the path. @throws SdError `SD_INVALID` */
export function toRequestJson(
  { binding, values }: BoundRequest,
  search: URLSearchParams,
  body: Uint8Array,
  { ignoresUnknown }: RequestJsonOptions,
): JsonValue {
  const { rpc, body: bodyField } = binding
  const json = bodyField === '*' ? readBody(body) : {}
  if (!isObject(json)) {
    // Messages such as google.protobuf.Value have other forms.
    if (values.size > 0 || search.size > 0) throw refuse('The body is not an object.')
    return json
  }
  if (bodyField === undefined && body.byteLength > 0) throw refuse('The request must not have a body.')
  if (bodyField !== undefined && bodyField !== '*') {
    const field = findField(rpc.input, bodyField) as DescField
    if (body.byteLength > 0) json[field.jsonName] = readBody(body)
  }
  let parameters = 0
  for (const [name, value] of search) {
    if (++parameters > maxParameters) throw refuse('The request has too many query parameters.')
    const isBound = values.has(name) || bodyField === '*' || name.split('.')[0] === bodyField
    if (isBound || !setField(rpc.input, json, name, value, true)) {
      if (!ignoresUnknown) throw refuse(`The query parameter ${printable(name)} is not a field of ${rpc.input.typeName}.`)
    }
  }
  for (const [name, value] of values) {
    if (!setField(rpc.input, json, name, value, false)) throw refuse(`${name} is not a field of ${rpc.input.typeName}.`)
  }
  return json
}

function isObject(json: JsonValue | undefined): json is JsonObject {
  return typeof json === 'object' && json !== null && !Array.isArray(json)
}

function readBody(body: Uint8Array): JsonValue {
  if (body.byteLength === 0) return {}
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body)) as JsonValue
  } catch {
    throw refuse('The body is not valid JSON.')
  }
}

/** A name of a client in a message. */
function printable(name: string): string {
  return JSON.stringify(name.slice(0, 100))
}

function findField({ fields }: DescMessage, name: string): DescField | undefined {
  return fields.find((field) => field.name === name || field.jsonName === name)
}

/** Sets a field by its path. @returns whether there is such a field @throws SdError `SD_INVALID` for a value of another type */
function setField(message: DescMessage, json: JsonObject, path: string, text: string, mayRepeat: boolean): boolean {
  const names = path.split('.')
  let at = json
  let type = message
  for (const name of names.slice(0, -1)) {
    const field = findField(type, name)
    if (field?.fieldKind !== 'message') return false
    const inner = at[field.jsonName]
    const next: JsonObject = isObject(inner) ? inner : {}
    at[field.jsonName] = next
    at = next
    type = field.message
  }
  const field = findField(type, names.at(-1) as string)
  if (!field || field.fieldKind === 'map') return false
  const value = toJson(field, text)
  if (value === undefined) throw refuse(`The value of ${printable(path)} does not fit its type.`)
  if (field.fieldKind !== 'list') at[field.jsonName] = value
  else if (mayRepeat) {
    const list = at[field.jsonName]
    if (Array.isArray(list)) list.push(value)
    else at[field.jsonName] = [value]
  } else return false
  return true
}

const wellKnown = 'google.protobuf.'

/** Wrappers of one value, by the type of the value. */
const wrappers: ReadonlyMap<string, ScalarType> = new Map([
  ['BoolValue', ScalarType.BOOL],
  ['StringValue', ScalarType.STRING],
  ['BytesValue', ScalarType.BYTES],
  ...['DoubleValue', 'FloatValue', 'Int32Value', 'Int64Value', 'UInt32Value', 'UInt64Value'].map(
    (name) => [name, ScalarType.DOUBLE] as const,
  ),
])

/** Messages whose JSON form is a text. */
const texts: ReadonlySet<string> = new Set(['Timestamp', 'Duration', 'FieldMask'])

/** A text as JSON of a field's type; `undefined` if it does not fit. */
function toJson(field: DescField, text: string): JsonValue | undefined {
  const of = field.fieldKind === 'list' ? field.listKind : field.fieldKind
  if (of === 'enum') return /^-?\d{1,10}$/.test(text) ? Number(text) : text
  if (of === 'scalar') return toScalar(field.scalar as ScalarType, text)
  const { typeName = '' } = field.message ?? {}
  const name = typeName.startsWith(wellKnown) ? typeName.slice(wellKnown.length) : ''
  const wrapped = wrappers.get(name)
  if (wrapped !== undefined) return toScalar(wrapped, text)
  return texts.has(name) ? text : undefined
}

function toScalar(type: ScalarType, text: string): JsonValue | undefined {
  if (type === ScalarType.BOOL) return text === 'true' ? true : text === 'false' ? false : undefined
  if (type === ScalarType.STRING || type === ScalarType.BYTES) return text
  return /^-?(?:\d+(?:\.\d+)?(?:e[+-]?\d+)?|Infinity)$|^NaN$/i.test(text) ? text : undefined
}
