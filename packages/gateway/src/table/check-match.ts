import { checkBoolean, checkInteger, checkName, checkText, invalidError } from '@sd/core'
import { isFieldName, isFieldValue } from '../exchange/field-list.ts'
import { by, type Check, listOf, object, recordOf } from './checks.ts'
import type { RouteMatch } from './table.ts'

/** Most segments of a path. */
const maxSegments = 64

const label = '[a-z\\d_](?:[a-z\\d_-]{0,61}[a-z\\d_])?'
const hostPattern = new RegExp(`^(?:(?:\\*\\.)?${label}(?:\\.${label})*|\\[[\\da-f:.]+\\])$`, 'i')

/** A host of a match. @throws SdError `SD_INVALID` */
export function checkHost(path: string, value: unknown): string {
  const host = checkText(path, value, 255)
  if (hostPattern.test(host)) return host
  throw invalidError(path, value, 'a host name without port, such as api.example.com or *.example.com; other scripts in Punycode')
}

/** A segment: visible ASCII without the characters that end a path, and without incomplete escapes. */
const segmentPattern = /^(?:[\w\-.~!$&'()*+,;=:@|^]|%(?!00|2f|5c)[\da-f]{2})*$/i
const placeholderPattern = /^\{[a-z][\w-]{0,62}\}$/i

/** The path of a match. @throws SdError `SD_INVALID` */
function checkMatchPath(path: string, value: unknown): string {
  const text = checkText(path, value, 2_048)
  if (!text.startsWith('/')) throw invalidError(path, value, 'a path that begins with a slash')
  const segments = text.slice(1).split('/')
  if (segments.length > maxSegments) throw invalidError(path, `${segments.length} segments`, `at most ${maxSegments}`)
  const names = new Set<string>()
  for (const [index, segment] of segments.entries()) {
    const isLast = index === segments.length - 1
    if (segment === '*' && isLast) continue
    if (placeholderPattern.test(segment)) {
      if (names.has(segment)) throw invalidError(path, value, `one placeholder ${segment}`)
      names.add(segment)
    } else if (segment.includes('*')) {
      throw invalidError(path, value, 'a * only as the whole last segment, as in /orders/*')
    } else if (!isPlainSegment(segment, isLast)) {
      throw invalidError(path, value, 'a path without empty and dot segments, in visible ASCII; other characters as escapes')
    }
  }
  return text
}

function isPlainSegment(segment: string, isLast: boolean): boolean {
  const plain = segment.replace(/%2e/gi, '.')
  return segmentPattern.test(segment) && plain !== '.' && plain !== '..' && (segment !== '' || isLast)
}

/** Names of the placeholders in a path or a template. */
export function placeholdersOf(text: string): string[] {
  return [...text.matchAll(/\{([^{}]*)\}/g)].map(([, name]) => name as string)
}

/**
 * A new path, with placeholders of `match.path` anywhere in it.
 *
 * @throws SdError `SD_INVALID`
 */
export function checkPathTemplate(path: string, value: unknown): string {
  const text = checkText(path, value, 2_048)
  const segments = text.replaceAll(/\{[a-z][\w-]{0,62}\}/gi, 'x').split('/')
  const [first, ...rest] = segments
  const isValid =
    first === '' && rest.length > 0 && rest.every((segment, index) => isPlainSegment(segment, index === rest.length - 1))
  if (isValid) return text
  throw invalidError(path, value, 'a path that begins with a slash, without query, empty and dot segments, in visible ASCII')
}

/** The name of a header field. @throws SdError `SD_INVALID` */
export function checkFieldName(path: string, value: unknown): string {
  const name = checkText(path, value, 255).toLowerCase()
  if (isFieldName(name)) return name
  throw invalidError(path, value, 'the name of a header field')
}

/** The value of a header field. @throws SdError `SD_INVALID` that does not quote it */
export function checkFieldValue(path: string, value: unknown): string {
  const text = checkText(path, value, 8_192)
  if (isFieldValue(text)) return text
  throw invalidError(path, 'other characters', 'one line of Latin-1')
}

/** A method. @throws SdError `SD_INVALID` */
export function checkRouteMethod(path: string, value: unknown): string {
  const method = checkText(path, value, 32)
  if (!/^[A-Z][A-Z_-]*$/.test(method)) throw invalidError(path, value, 'a method in upper case, such as GET')
  if (method === 'CONNECT' || method === 'TRACE') throw invalidError(path, value, 'a method other than CONNECT and TRACE')
  return method
}

const text = by((path, value) => checkText(path, value, 1_024))
const conditionShape = {
  present: by(checkBoolean),
  oneOf: listOf(text, { min: 1, max: 100 }),
  prefix: by((path, value) => {
    checkInteger(`${path}.length`, checkText(path, value, 1_024).length, { min: 1, max: 1_024 })
  }),
}
const condition = object<{ present: boolean; oneOf: string[]; prefix: string }>(conditionShape)

const fieldMatch: Check = (path, value, problems) => {
  if (typeof value === 'string') {
    text(path, value, problems)
    return
  }
  condition(path, value, problems)
  if (typeof value === 'object' && value !== null && Object.keys(value).length !== 1) {
    problems.add(invalidError(path, `${Object.keys(value).length} conditions`, 'a text, or one of present, oneOf and prefix'))
  }
}

/** The conditions of a route. */
export const checkMatch: Check = object<RouteMatch>({
  hosts: listOf(by(checkHost), { min: 1, max: 100 }),
  path: by(checkMatchPath),
  methods: listOf(by(checkRouteMethod), { min: 1, max: 20 }),
  headers: uniqueNames(recordOf(checkFieldName, fieldMatch, 20)),
  query: recordOf(checkName, fieldMatch, 20),
  protocol: by(checkName),
})

/** Header fields whose names differ in more than their case. */
export function uniqueNames(check: Check): Check {
  return (path, value, problems) => {
    check(path, value, problems)
    if (typeof value !== 'object' || value === null) return
    const seen = new Set<string>()
    for (const name of Object.keys(value)) {
      if (seen.has(name.toLowerCase())) problems.add(invalidError(`${path}.${name}`, name, 'each field once'))
      seen.add(name.toLowerCase())
    }
  }
}
