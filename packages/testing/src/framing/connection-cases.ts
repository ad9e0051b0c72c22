import { authority, body, type Check, forwarded, h1, h2, refusedOr, withField, without, withoutValue } from './case-parts.ts'
import type { FramingCase } from './framing-case.ts'
import { fieldsOf } from './http1-reader.ts'

/** `Connection` names a field without which the request means something else. */
function nominates(name: string, value: string, lines: readonly string[], extra: readonly string[] = []): FramingCase {
  return h1(
    `Connection: ${name}`,
    'RFC 9110 7.6.1',
    { lines: [...lines, `Connection: close, ${name}`, ...extra] },
    refusedOr([400], name === 'host' ? authority(value) : withField(name, value)),
  )
}

/** The client claims another address or host. It is not a trusted proxy. */
function spoofed(name: string, value: string, hidden: string): readonly FramingCase[] {
  const rule = 'edge: forwarded fields'
  return [
    h1(`${name} of the client`, rule, { lines: [`${name}: ${value}`] }, forwarded(withoutValue(name.toLowerCase(), hidden))),
    h2(
      `${name} of the client`,
      rule,
      { fields: [[name.toLowerCase(), value]] },
      forwarded(withoutValue(name.toLowerCase(), hidden)),
    ),
  ]
}

const hello = body('hello')

/** What a front adds to every request is there although the client named it: the upstream would take the client for another one otherwise. */
const addedAsUsual: Check = ({ seen: [attack], seenNext }) => {
  const missing = ['x-forwarded-for', 'x-forwarded-host', 'forwarded'].find(
    (name) => attack && seenNext && fieldsOf(seenNext.fields, name).length > 0 && fieldsOf(attack.fields, name).length === 0,
  )
  return missing && `the client has removed ${missing}, which the front adds`
}

const h2c = ['Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA']

/** Cases about fields for one connection, upgrades, expectations and fields that name the client. */
export const connectionCases: readonly FramingCase[] = [
  nominates('host', '{authority}', []),
  nominates('authorization', 'Basic c3k=', ['Authorization: Basic c3k=']),
  nominates('cookie', 'a=1', ['Cookie: a=1']),
  h1(
    'Connection: content-length',
    'RFC 9110 7.6.1',
    { method: 'POST', lines: ['Content-Length: 5', 'Connection: keep-alive, content-length'], body: 'hello' },
    refusedOr([400], hello),
  ),
  h1(
    'Connection: transfer-encoding',
    'RFC 9110 7.6.1',
    { method: 'POST', lines: ['Transfer-Encoding: chunked', 'Connection: transfer-encoding'], body: '5\r\nhello\r\n0\r\n\r\n' },
    refusedOr([400], hello),
  ),
  h1(
    'Connection: x-forwarded-for',
    'RFC 9110 7.6.1',
    { lines: ['X-Forwarded-For: 6.6.6.6', 'Connection: close, x-forwarded-for, x-forwarded-host, forwarded'] },
    refusedOr([400], withoutValue('x-forwarded-for', '6.6.6.6'), addedAsUsual),
  ),
  h1(
    'Connection: x-secret',
    'RFC 9110 7.6.1',
    { lines: ['X-Secret: 1', 'Connection: close, X-Secret'] },
    refusedOr([400], without('x-secret')),
  ),
  h1(
    'two Connection lines',
    'RFC 9110 7.6.1',
    { lines: ['X-Secret: 1', 'X-Other: 1', 'Connection: X-Other', 'Connection: , X-Secret ,'] },
    refusedOr([400], without('x-secret', 'x-other')),
  ),
  h1(
    'Keep-Alive and Proxy-Connection',
    'RFC 9110 7.6.1',
    { lines: ['Keep-Alive: timeout=99', 'Proxy-Connection: keep-alive'] },
    forwarded(),
  ),
  h1('Proxy-Authorization', 'RFC 9110 11.7.2', { lines: ['Proxy-Authorization: Basic c3k='] }, refusedOr([407])),
  h1('TE: gzip', 'RFC 9110 10.1.4', { lines: ['TE: gzip', 'Connection: TE'] }, refusedOr([400])),
  h1('Upgrade: h2c', 'RFC 9113 3.1', { lines: h2c }, refusedOr([400, 403, 426, 501])),
  h1('Upgrade: h2c without Connection', 'RFC 9113 3.1', { lines: h2c.slice(1) }, refusedOr([400, 403, 426, 501])),
  h1(
    'Upgrade: websocket with a body',
    'RFC 9110 7.8',
    {
      method: 'POST',
      lines: [
        'Connection: Upgrade',
        'Upgrade: websocket',
        'Sec-WebSocket-Version: 13',
        'Sec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEA==',
        'Content-Length: {length}',
      ],
      body: 'GET {path}/smuggled HTTP/1.1\r\nHost: {authority}\r\n\r\n',
    },
    refusedOr([400, 403, 404, 405, 426, 501]),
  ),
  h1(
    'Upgrade to an unknown protocol',
    'RFC 9110 7.8',
    { lines: ['Connection: Upgrade', 'Upgrade: frob/1'] },
    refusedOr([400, 403, 426, 501]),
  ),
  h1(
    'Expect: 100-continue',
    'RFC 9110 10.1.1',
    ['POST {path} HTTP/1.1\r\nHost: {authority}\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n', 'response', 'hello'],
    refusedOr([417], hello),
  ),
  h1(
    'Expect: 100-continue with a body that does not wait',
    'RFC 9110 10.1.1',
    { method: 'POST', lines: ['Content-Length: {length}', 'Expect: 100-continue'], body: 'GET {path}/smuggled HTTP/1.1\r\n\r\n' },
    refusedOr([417]),
  ),
  h1(
    'an unknown Expect',
    'RFC 9110 10.1.1',
    { method: 'POST', lines: ['Content-Length: 5', 'Expect: 200-ok'], body: 'hello' },
    refusedOr([400, 417], without('expect')),
  ),
  h1(
    'X_Forwarded_For beside X-Forwarded-For',
    'edge: names',
    { lines: ['X_Forwarded_For: 6.6.6.6', 'X-Forwarded_For: 6.6.6.6'] },
    refusedOr([400], without('x_forwarded_for', 'x-forwarded_for')),
  ),
  h1(
    'Content_Length with an underscore',
    'edge: names',
    { lines: ['Content_Length: 5'] },
    refusedOr([400], without('content_length')),
  ),
  h2(
    'x_forwarded_for beside x-forwarded-for',
    'edge: names',
    { fields: [['x_forwarded_for', '6.6.6.6']] },
    refusedOr([400, 'closed'], without('x_forwarded_for')),
  ),
  ...spoofed('X-Forwarded-For', '6.6.6.6', '6.6.6.6'),
  ...spoofed('X-Forwarded-Host', 'evil.test', 'evil.test'),
  ...spoofed('X-Forwarded-Proto', 'evil', 'evil'),
  ...spoofed('Forwarded', 'for=6.6.6.6;host=evil.test', '6.6.6.6'),
]
