import { invalidError } from '@sd/core'

const token = /^[!#$%&'*+\-.^_`|~\da-z]+$/
const fieldValue = /^[\t\x20-\x7e\x80-\xff]*$/

/** Whether a text in lower case is the name of a header field. */
export function isFieldName(text: string): boolean {
  return token.test(text)
}

/** Whether a text is one line that a header field can have as its value. */
export function isFieldValue(text: string): boolean {
  return fieldValue.test(text)
}

/** Fields of one connection, and of the framing: a second opinion about them is how requests are smuggled. */
const framing: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/** Whether there is a field of this name. @param raw names in lower case and values in turn */
export function hasField(raw: readonly string[], name: string): boolean {
  for (let index = 0; index < raw.length; index += 2) if (raw[index] === name) return true
  return false
}

/** Header fields, names in lower case and values in turn. */
export class FieldList {
  readonly raw: string[]

  constructor(raw: string[]) {
    this.raw = raw
  }

  get(name: string): string | undefined {
    const { raw } = this
    let found: string | undefined
    for (let index = 0; index < raw.length; index += 2) {
      if (raw[index] === name) found = found === undefined ? (raw[index + 1] as string) : `${found}, ${raw[index + 1]}`
    }
    return found
  }

  /** @throws SdError `SD_INVALID` that does not quote the value */
  set(name: string, value: string): void {
    const key = checkField(name, value)
    this.remove(key)
    this.raw.push(key, value)
  }

  /** @throws SdError `SD_INVALID` that does not quote the value */
  add(name: string, value: string): void {
    this.raw.push(checkField(name, value), value)
  }

  remove(name: string): void {
    const { raw } = this
    let length = 0
    for (let index = 0; index < raw.length; index += 2) {
      if (raw[index] === name) continue
      raw[length++] = raw[index] as string
      raw[length++] = raw[index + 1] as string
    }
    raw.length = length
  }
}

/** The name in lower case. @throws SdError `SD_INVALID` that does not quote the value */
function checkField(name: string, value: string): string {
  const key = typeof name === 'string' ? name.toLowerCase() : ''
  if (!token.test(key)) throw invalidError('name', name, 'the name of a header field')
  if (framing.has(key) && !(key === 'te' && value === 'trailers'))
    throw invalidError('name', name, 'a field that the gateway does not set itself')
  if (typeof value !== 'string' || !fieldValue.test(value)) {
    throw invalidError(`value of ${key}`, typeof value === 'string' ? 'other characters' : value, 'one line of Latin-1')
  }
  return key
}
