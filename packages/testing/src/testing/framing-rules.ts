import { type FramingField, fieldsOf, type Http1Message } from '../framing/http1-reader.ts'

/** A request as a front of the reference proxy received it. */
export interface FrontRequest {
  readonly method: string
  readonly target: string
  readonly fields: readonly FramingField[]
  readonly trailers: readonly FramingField[]
  readonly body: string
}

/** A response on its way to the client. */
export interface UpstreamResponse {
  readonly status: number
  readonly fields: readonly FramingField[]
  readonly body: string
}

/** What the fronts of a proxy share. */
export interface ProxyContext {
  /** The planted faults: names of rules that are left out. */
  readonly faults: ReadonlySet<string>
  /** Forwards a request, or refuses it. `line` replaces the request line. */
  forward(request: FrontRequest, line?: string): Promise<UpstreamResponse>
}

/** Refuses a head with a status. */
type Rule<Message> = (message: Message) => number | undefined

const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
const fieldValue = /^[\t\x20-\x7e\x80-\xff]*$/
const hostAndPort = /^[A-Za-z0-9\-._]+(?::\d*)?$/
const maxHeadBytes = 32_768

/** The status with which the first broken rule refuses a message. */
export function firstRefusal<Message>(
  rules: Readonly<Record<string, (message: Message) => number | undefined>>,
  message: Message,
  faults: ReadonlySet<string>,
): number | undefined {
  for (const [name, rule] of Object.entries(rules)) {
    const refusal = faults.has(name) ? undefined : rule(message)
    if (refusal !== undefined) return refusal
  }
  return undefined
}

function refuse(isWrong: boolean, status: number = 400): number | undefined {
  return isWrong ? status : undefined
}

/** What a front over HTTP/1.1 refuses. A planted fault leaves one of them out. */
export const http1Rules: Readonly<Record<string, Rule<Http1Message>>> = {
  limits: ({ head, fields }) => refuse(head.length > maxHeadBytes || fields.length > 1_000, 431),
  'line ends': ({ head }) => refuse(/\r(?!\n)|(?<!\r)\n|\0/.test(head)),
  'request line': ({ startLine }) => refuse(!/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+ [\x21-\x7e]+ HTTP\/1\.[01]$/.test(startLine)),
  'field names': ({ fields }) => refuse(!fields.every(([name]) => token.test(name))),
  'field values': ({ fields }) => refuse(fields.some(([, value]) => hasOtherControl(value))),
  colons: ({ head }) =>
    refuse(
      head
        .split('\r\n')
        .slice(1)
        .some((line) => !line.includes(':')),
    ),
  host: ({ fields, startLine }) =>
    refuse(fieldsOf(fields, 'host').length !== 1 && !(startLine.endsWith('/1.0') && !hasHost(fields))),
  'host value': ({ fields }) => refuse(!fieldsOf(fields, 'host').every((host) => hostAndPort.test(host))),
  'transfer-encoding': ({ fields, startLine }) => refuseEncoding(fields, startLine),
  'content-length': ({ fields }) => {
    const lengths = fieldsOf(fields, 'content-length')
    return refuse(lengths.length > 1 || !lengths.every((length) => /^\d{1,15}$/.test(length)))
  },
  chunks: ({ problems }) => refuse(problems.length > 0),
  'target form': ({ startLine }) => {
    const [method, target = ''] = startLine.split(' ')
    return refuse(!/^(?:\/|http:\/\/[A-Za-z0-9.:-]+(?:\/|$))/.test(target) && !(method === 'OPTIONS' && target === '*'))
  },
}

/** Control characters in a value. CR, LF and NUL are the subject of `line ends`. */
function hasOtherControl(value: string): boolean {
  return [...value].some((one) => (one < ' ' && !'\t\r\n\0'.includes(one)) || one === '\x7f')
}

function hasHost(fields: readonly FramingField[]): boolean {
  return fieldsOf(fields, 'host').length > 0
}

function refuseEncoding(fields: readonly FramingField[], startLine: string): number | undefined {
  const encodings = fieldsOf(fields, 'transfer-encoding')
  if (encodings.length === 0) return undefined
  if (startLine.endsWith('/1.0') || fieldsOf(fields, 'content-length').length > 0) return 400
  return refuse(encodings.length > 1 || encodings[0]?.toLowerCase() !== 'chunked', 501)
}

/** What every front refuses. */
export const requestRules: Readonly<Record<string, Rule<FrontRequest>>> = {
  method: ({ method }) => refuse(!['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'].includes(method), 405),
  fragment: ({ target }) => refuse(target.includes('#')),
  path: ({ target }) => refuse(/%2f|%5c|%00|%0d|%0a|\\|\/\/|\/(?:\.|%2e){1,2}(?:\/|;|$)/i.test(target.split('?')[0] ?? '')),
  expect: ({ fields }) =>
    refuse(
      fieldsOf(fields, 'expect').some((value) => value !== '100-continue'),
      417,
    ),
}

const pseudoNames = [':method', ':scheme', ':authority', ':path']
const connectionNames = ['connection', 'keep-alive', 'proxy-connection', 'upgrade', 'transfer-encoding']

/** What a front over HTTP/2 refuses in a field section. */
export const http2Rules: Readonly<Record<string, Rule<readonly FramingField[]>>> = {
  limits: (fields) => refuse(fields.length > 1_000 || fields.some(([, value]) => value.length > maxHeadBytes), 431),
  'h2 fields': (fields) =>
    refuse(!fields.every(([name, value]) => fieldValue.test(value) && token.test(name.replace(/^:/, '')) && !/[A-Z]/.test(name))),
  'h2 connection': (fields) =>
    refuse(fields.some(([name, value]) => connectionNames.includes(name) || (name === 'te' && value !== 'trailers'))),
  'h2 pseudo': (fields) => refuse(!hasPseudo(fields)),
  'h2 authority': (fields) => {
    const all = [...fieldsOf(fields, ':authority'), ...fieldsOf(fields, 'host')]
    return refuse(new Set(all).size !== 1 || fieldsOf(fields, 'host').length > 1 || !hostAndPort.test(all[0] ?? ''))
  },
  'h2 path': (fields) => refuse(!/^\/[\x21-\x7e]*$/.test(fieldsOf(fields, ':path')[0] ?? '')),
  'h2 content-length': (fields) => {
    const lengths = fieldsOf(fields, 'content-length')
    return refuse(lengths.length > 1 || !lengths.every((length) => /^\d{1,15}$/.test(length)))
  },
}

function hasPseudo(fields: readonly FramingField[]): boolean {
  const firstField = fields.findIndex(([name]) => !name.startsWith(':'))
  const late = firstField >= 0 && fields.slice(firstField).some(([name]) => name.startsWith(':'))
  const names = fields.map(([name]) => name).filter((name) => name.startsWith(':'))
  const required = [':method', ':scheme', ':path'].every((name) => names.includes(name))
  const scheme = fieldsOf(fields, ':scheme')[0] ?? ''
  return (
    !late &&
    required &&
    new Set(names).size === names.length &&
    names.every((name) => pseudoNames.includes(name)) &&
    /^https?$/.test(scheme)
  )
}

/** What makes a response of an upstream an error. */
export const responseRules: Readonly<Record<string, Rule<Http1Message>>> = {
  limits: ({ head }) => refuse(head.length > maxHeadBytes, 502),
  'status line': ({ startLine }) => refuse(!/^HTTP\/1\.[01] [1-9]\d\d(?: [\t\x20-\x7e]*)?$/.test(startLine), 502),
  'response lines': ({ head, fields }) =>
    refuse(
      /\r(?!\n)|(?<!\r)\n|\0/.test(head) ||
        !fields.every(([name]) => token.test(name)) ||
        head
          .split('\r\n')
          .slice(1)
          .some((line) => !line.includes(':')),
      502,
    ),
  'response framing': ({ fields }) => {
    const lengths = fieldsOf(fields, 'content-length')
    const encodings = fieldsOf(fields, 'transfer-encoding')
    const isWrong = lengths.length + encodings.length > 1 || !lengths.every((length) => /^\d{1,15}$/.test(length))
    return refuse(isWrong || !encodings.every((encoding) => encoding === 'chunked'), 502)
  },
  'response chunks': ({ problems }) => refuse(problems.length > 0, 502),
  switching: ({ startLine }) => refuse(startLine.startsWith('HTTP/1.1 101'), 502),
}
