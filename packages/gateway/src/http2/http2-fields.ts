import { hasField } from '../exchange/field-list.ts'
import type { RequestHead } from '../exchange/request-fields.ts'

/** Fields of a connection, which `node:http2` refuses to send. The others of RFC 9113, 8.2.2, are never passed on. */
const notSent: ReadonlySet<string> = new Set(['http2-settings', 'te'])

/** `node:http2` takes lists of fields from these versions on, and needs an object before. */
const takesLists = isAtLeast(24, 7)

function isAtLeast(major: number, minor: number): boolean {
  const [own = 0, part = 0] = process.versions.node.split('.').map(Number)
  return own > major || (own === major && part >= minor)
}

/** The head of a request, with the protocol that an extended CONNECT changes to (RFC 8441). */
export interface StreamHead {
  readonly head: RequestHead
  readonly protocol: string | undefined
}

/** The head of a request from the fields of a stream. @param raw names and values in turn, pseudo-header fields first */
export function readHead(raw: readonly string[], isComplete: boolean): StreamHead {
  let method = ''
  let protocol: string | undefined
  let target = ''
  let authority: string | undefined
  let index = 0
  for (; index < raw.length && raw[index]?.charCodeAt(0) === 58; index += 2) {
    const name = raw[index]
    const value = raw[index + 1] as string
    if (name === ':method') method = value
    else if (name === ':path') target = value
    else if (name === ':authority') authority = value
    else if (name === ':protocol') protocol = value.toLowerCase()
  }
  const rawHeaders = index === 0 ? raw : raw.slice(index)
  return { head: { method, target, authority, rawHeaders, version: '2', isComplete }, protocol }
}

/** Whether a client waits for `100 Continue` before its body. The exchange refuses other expectations. */
export function expectsContinue(rawHeaders: readonly string[]): boolean {
  return hasField(rawHeaders, 'expect')
}

/** The head of a response, as `node:http2` takes it. @param fields names in lower case and values in turn */
export function toHead(status: number, fields: readonly string[]): readonly string[] | Record<string, string | string[]> {
  if (!takesLists) return { ':status': String(status), ...toFields(fields) }
  const head = [':status', String(status)]
  for (let index = 0; index < fields.length; index += 2) {
    const name = fields[index] as string
    if (!notSent.has(name)) head.push(name, fields[index + 1] as string)
  }
  return head
}

/** Fields as an object. It has no prototype: a field may be called `constructor`. */
export function toFields(fields: readonly string[]): Record<string, string | string[]> {
  const object: Record<string, string | string[]> = Object.create(null)
  for (let index = 0; index < fields.length; index += 2) {
    const name = fields[index] as string
    const value = fields[index + 1] as string
    const before = object[name]
    if (!notSent.has(name)) object[name] = before === undefined ? value : [before, value].flat()
  }
  return object
}
