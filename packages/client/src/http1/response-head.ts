import { type HeaderFields, SdError } from '@sd/core'
import { isFieldValue } from '../message/request-check.ts'
import { lowerFieldName } from './field-names.ts'

/** The head of a response. */
export interface Http1Head {
  readonly status: number
  readonly statusText: string
  /** Names and values in turn, as received. */
  readonly raw: readonly string[]
  /** By name in lower case; repeated ones are lists. */
  readonly fields: HeaderFields
  /** Length of the body; NaN if it is not given. */
  readonly length: number
  readonly isChunked: boolean
  /** Whether the server keeps the connection open. */
  readonly keepsAlive: boolean
  /** How long the server keeps an idle connection, in milliseconds; `undefined` if it does not say so. */
  readonly keepAliveMs: number | undefined
}

/** A response that is not valid HTTP. */
export function malformed(detail: string): SdError {
  return new SdError('SD_MALFORMED', `The response is not valid HTTP: ${detail}`, { origin: 'peer', retryable: false })
}

/** Servers may write anything into the reason phrase, which has no meaning. */
const statusLine = /^HTTP\/1\.([01]) ([1-9]\d\d)(?: ([^\r\n\0]*))?$/

/** Reads fields, one in a line. @returns names and values in turn. Calls `onField` for each. Throws an `SdError` */
export function readFields(text: string, from: number, onField: (name: string, value: string) => void): string[] {
  const raw: string[] = []
  for (let at = from; at < text.length; ) {
    const lineEnd = text.indexOf('\r\n', at)
    const end = lineEnd < 0 ? text.length : lineEnd
    const colon = text.indexOf(':', at)
    if (colon < 0 || colon >= end) throw malformed('a header field without a colon')
    const spelling = text.slice(at, colon)
    const name = lowerFieldName(spelling)
    // White space before the colon, or a folded line.
    if (name === '') throw malformed('the name of a header field is not a token')
    let first = colon + 1
    let last = end
    while (first < last && isBlank(text.charCodeAt(first))) first++
    while (last > first && isBlank(text.charCodeAt(last - 1))) last--
    const value = text.slice(first, last)
    if (!isFieldValue(value)) throw malformed('a header field with a control character')
    raw.push(spelling, value)
    onField(name, value)
    at = end + 2
  }
  return raw
}

function isBlank(code: number): boolean {
  return code === 32 || code === 9
}

/** Reads a head, without the empty line at its end (RFC 9112, 4 to 6). Throws an `SdError` */
export function readHead(text: string): Http1Head {
  const lineEnd = text.indexOf('\r\n')
  const [, minor, status, statusText = ''] = statusLine.exec(lineEnd < 0 ? text : text.slice(0, lineEnd)) ?? []
  if (status === undefined) throw malformed('its status line')
  const fields: Record<string, string | string[]> = {}
  let length = Number.NaN
  let isChunked = false
  let connection = ''
  let keepAlive: string | undefined
  const raw = lineEnd < 0 ? [] : readFields(text, lineEnd + 2, add)

  function add(name: string, value: string): void {
    const before = fields[name]
    if (before === undefined) fields[name] = value
    else if (Array.isArray(before)) before.push(value)
    else fields[name] = [before, value]
    if (name === 'content-length') {
      if (before !== undefined || !/^\d{1,15}$/.test(value)) throw malformed('its content-length')
      length = Number(value)
    } else if (name === 'transfer-encoding') {
      if (before !== undefined || value.toLowerCase() !== 'chunked') throw malformed('a transfer-encoding other than chunked')
      isChunked = true
    } else if (name === 'connection') connection = connection === '' ? value : `${connection},${value}`
    else if (name === 'keep-alive') keepAlive = value
  }

  if (isChunked && (minor === '0' || !Number.isNaN(length))) throw malformed('two kinds of framing')
  return {
    status: Number(status),
    statusText,
    raw,
    fields,
    length,
    isChunked,
    keepsAlive: keepsAlive(minor === '0', connection),
    keepAliveMs: readKeepAlive(keepAlive),
  }
}

function keepsAlive(isOld: boolean, connection: string): boolean {
  if (connection === '') return !isOld
  const options = connection.toLowerCase().split(',')
  const has = (wanted: string): boolean => options.some((option) => option.trim() === wanted)
  return isOld ? has('keep-alive') && !has('close') : !has('close')
}

function readKeepAlive(value: string | undefined): number | undefined {
  const seconds = value === undefined ? undefined : /(?:^|[,\s])timeout=(\d{1,6})/i.exec(value)?.[1]
  return seconds === undefined ? undefined : Number(seconds) * 1_000
}
