import type { SeenRequest } from './framing-case.ts'
import { type FramingField, fieldsOf, type Http1Message } from './http1-reader.ts'

/** A field name (RFC 9110 5.6.2). */
const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
/** A field value (RFC 9110 5.5): no control characters but HTAB. */
const fieldValue = /^[\t\x20-\x7e\x80-\xff]*$/
/** Host and port without userinfo (RFC 9110 7.2): a name, an IPv4 address or an IPv6 address in brackets. */
const hostAndPort = /^(?:[A-Za-z0-9\-._~]+|\[[0-9A-Fa-f:.]+\])(?::\d*)?$/
/** An origin-form, or the asterisk-form of OPTIONS. No fragment. */
const target = /^(?:\/[\x21\x22\x24-\x7e]*|\*)$/

/** Fields for one connection (RFC 9110 7.6.1), which an intermediary consumes. */
const hopByHop = ['keep-alive', 'proxy-connection', 'proxy-authorization', 'upgrade', 'http2-settings']

/** Violations in a request over HTTP/1.1 that a front has sent. */
export function problemsOfHttp1(message: Http1Message): readonly string[] {
  const problems = [...message.problems]
  const { fields, head, startLine } = message
  if (/\r(?!\n)|(?<!\r)\n|\0/.test(head)) problems.push(`the head has a bare CR, a bare LF or NUL: ${quote(head)}`)
  const [method = '', path = '', version, ...more] = startLine.split(' ')
  if (!token.test(method) || more.length > 0 || !/^HTTP\/1\.[01]$/.test(version ?? '')) {
    problems.push(`the request line is not valid: ${quote(startLine)}`)
  }
  if (!target.test(path)) problems.push(`the request target is not in origin-form: ${quote(startLine)}`)
  problems.push(...problemsOfFields(fields))
  const hosts = fieldsOf(fields, 'host')
  if (hosts.length !== 1 || !hosts.every((host) => hostAndPort.test(host))) {
    problems.push(`Host must be there once, with a host and a port: ${quote(hosts.join(' and '))}`)
  }
  const lengths = fieldsOf(fields, 'content-length')
  const encodings = fieldsOf(fields, 'transfer-encoding')
  if (lengths.length + encodings.length > 1) problems.push('the request has more than one framing of its body')
  if (encodings.some((encoding) => encoding.toLowerCase() !== 'chunked')) {
    problems.push(`Transfer-Encoding must be chunked: ${quote(encodings.join(', '))}`)
  }
  for (const option of fieldsOf(fields, 'connection').join(',').toLowerCase().split(',')) {
    if (!['', 'close', 'keep-alive'].includes(option.trim()))
      problems.push(`Connection of the client was forwarded: ${quote(option)}`)
  }
  if (fieldsOf(fields, 'te').length > 0) problems.push('TE was forwarded')
  return problems
}

/** Violations in a request over HTTP/2 that the upstream has accepted. */
export function problemsOfHttp2(
  request: Pick<SeenRequest, 'method' | 'target' | 'fields'>,
  all: readonly FramingField[],
): readonly string[] {
  const problems = [...problemsOfFields(request.fields)]
  if (!token.test(request.method)) problems.push(`:method is not valid: ${quote(request.method)}`)
  if (!target.test(request.target)) problems.push(`:path is not valid: ${quote(request.target)}`)
  const authorities = [...fieldsOf(all, ':authority'), ...fieldsOf(all, 'host')]
  if (new Set(authorities).size !== 1 || !authorities.every((authority) => hostAndPort.test(authority))) {
    problems.push(`there must be one authority: ${quote(authorities.join(' and '))}`)
  }
  const forbidden = ['connection', 'transfer-encoding'].filter((name) => fieldsOf(request.fields, name).length > 0)
  if (forbidden.length > 0) problems.push(`fields of HTTP/1.1 were forwarded: ${forbidden.join(', ')}`)
  if (fieldsOf(request.fields, 'te').some((value) => value !== 'trailers')) problems.push('TE other than trailers was forwarded')
  return problems
}

function problemsOfFields(fields: readonly FramingField[]): readonly string[] {
  const problems: string[] = []
  for (const [name, value] of fields) {
    if (!token.test(name)) problems.push(`a field name is not valid: ${quote(name)}`)
    if (!fieldValue.test(value)) problems.push(`the value of ${name} has a control character: ${quote(value)}`)
    if (hopByHop.includes(name.toLowerCase())) problems.push(`${name} was forwarded, which is for one connection only`)
  }
  const lengths = fieldsOf(fields, 'content-length')
  if (lengths.length > 1) problems.push(`there are ${lengths.length} Content-Length fields`)
  if (lengths.some((length) => !/^\d+$/.test(length)))
    problems.push(`Content-Length is not a number: ${quote(lengths.join(', '))}`)
  return problems
}

function quote(text: string): string {
  return JSON.stringify(text.slice(0, 120))
}
