import {
  authority,
  forwarded,
  h1,
  method,
  plainPath,
  refused,
  refusedAndClosed,
  refusedOr,
  seen,
  smuggled,
  withField,
} from './case-parts.ts'
import type { FramingCase } from './framing-case.ts'

/** A head with this line behind `Host`, which is not a field line. */
function line(name: string, rule: string, ...lines: readonly string[]): FramingCase {
  return h1(name, rule, { lines }, refusedAndClosed(400))
}

/** A request with these Host lines. */
function host(name: string, lines: readonly string[], ...answers: readonly number[]): FramingCase {
  return h1(name, 'RFC 9112 3.2', { host: lines }, refused(400, ...answers))
}

/** A request with this target. */
function target(name: string, rule: string, value: string, ...answers: readonly number[]): FramingCase {
  return h1(name, rule, { target: value }, refused(400, ...answers))
}

/** A request of this method. */
function verb(name: string, value: string, ...answers: readonly number[]): FramingCase {
  return h1(name, 'RFC 9110 9.1', { method: value }, refusedOr([400, 403, 404, 405, 501, ...answers], method(value)))
}

const dotSegment = /\/(?:\.|%2e){1,2}(?:\/|;|$)/i

/** Cases about the request line, Host and the form of field lines over HTTP/1.1. */
export const headCases: readonly FramingCase[] = [
  h1(
    'a request line that ends with a bare LF',
    'RFC 9112 2.2',
    'GET {path} HTTP/1.1\nHost: {authority}\r\n\r\n',
    refusedAndClosed(400),
  ),
  h1(
    'a field line that ends with a bare LF',
    'RFC 9112 2.2',
    'GET {path} HTTP/1.1\r\nHost: {authority}\nX-A: b\r\n\r\n',
    refusedAndClosed(400),
  ),
  h1('a head whose lines end with bare LF', 'RFC 9112 2.2', 'GET {path} HTTP/1.1\nHost: {authority}\n\n', refusedAndClosed(400)),
  h1(
    'a head whose lines end with bare CR',
    'RFC 9112 2.2',
    'GET {path} HTTP/1.1\rHost: {authority}\r\r\n\r\n',
    refusedAndClosed(400),
  ),
  line('a bare CR in a field value', 'RFC 9110 5.5', 'X-A: b\rX-B: c'),
  line('NUL in a field value', 'RFC 9110 5.5', 'X-A: b\0c'),
  line('DEL in a field value', 'RFC 9110 5.5', 'X-A: b\x7fc'),
  line('a vertical tab in a field value', 'RFC 9110 5.5', 'X-A: b\x0bc'),
  line('NUL in a field name', 'RFC 9110 5.1', 'X-\0A: b'),
  line('a space in a field name', 'RFC 9110 5.1', 'X A: b'),
  line('a space before the colon', 'RFC 9112 5.1', 'X-A : b'),
  line('a tab before the colon', 'RFC 9112 5.1', 'X-A\t: b'),
  line('an empty field name', 'RFC 9110 5.1', ': b'),
  line('a field line without a colon', 'RFC 9112 5', 'X-A'),
  line('a field name with an octet over 127', 'RFC 9110 5.1', 'X-\xe4: b'),
  line('a field name in parentheses', 'RFC 9110 5.1', '(X-A): b'),
  line('a folded field line', 'RFC 9112 5.2', 'X-A: b', '\tc'),
  h1('a folded line in front of all fields', 'RFC 9112 2.2', { host: [' X-A: b', 'Host: {authority}'] }, refusedAndClosed(400)),
  h1(
    'octets over 127 in a field value',
    'RFC 9110 5.5',
    { lines: ['X-A: \xe4\xff'] },
    refusedOr([400], withField('x-a', '\xe4\xff')),
  ),
  h1(
    '3,000 field lines, of which the last one is Authorization',
    'RFC 6585 5',
    { lines: [...Array.from({ length: 2_999 }, () => 'A:'), 'Authorization: Basic c3k='] },
    refusedOr([400, 413, 431], withField('authorization', 'Basic c3k=')),
  ),
  h1('a field of 256 KiB', 'RFC 6585 5', { lines: [`X-A: ${'b'.repeat(262_144)}`] }, refused(400, 413, 431, 'closed')),

  host('two different Host', ['Host: {authority}', 'Host: other.test']),
  host('two equal Host', ['Host: {authority}', 'Host: {authority}']),
  host('no Host', []),
  host('an empty Host', ['Host:'], 404, 421),
  host('Host with user information', ['Host: user@{authority}']),
  host('Host with a path', ['Host: {authority}/x']),
  host('Host with a space', ['Host: {authority} x']),
  host('Host with a query', ['Host: {authority}?x']),
  host('Host with a fragment', ['Host: {authority}#x']),
  host('Host with a port that is not a number', ['Host: {authority}:8x']),
  host('Host with two ports', ['Host: {authority}:80:81']),
  host('a list in Host', ['Host: {authority}, other.test']),
  host('Host with a backslash', ['Host: {authority}\\@other.test']),
  host('Host with octets over 127', ['Host: {authority}\xe4']),
  host('Host with a percent sign', ['Host: {authority}%00']),
  host('Host with a space before the colon', ['Host : {authority}']),
  h1('HTTP/1.0 without Host', 'RFC 9112 3.2', { version: 'HTTP/1.0', host: [] }, refusedOr([400, 404, 421, 426, 505])),
  h1(
    'an absolute-form with another Host',
    'RFC 9112 3.2.2',
    { target: 'http://{authority}{path}', host: ['Host: other.test'] },
    refusedOr([400], authority('{authority}')),
  ),
  h1('an absolute-form with user information', 'RFC 9110 4.2.4', { target: 'http://user@{authority}{path}' }, refused(400)),
  h1(
    'an absolute-form without a path',
    'RFC 9112 3.2.1',
    { target: 'http://{authority}', lines: ['X-A: b'] },
    refusedOr([400, 404]),
  ),
  h1('an absolute-form without Host', 'RFC 9112 3.2', { target: 'http://{authority}{path}', host: [] }, refused(400)),
  target('an absolute-form of another scheme', 'RFC 9112 3.2.2', 'ftp://{authority}{path}', 421),
  target('an authority-form', 'RFC 9112 3.2.3', '{authority}:80'),
  target('a target without a slash', 'RFC 9112 3.2.1', 'framing'),
  target('GET *', 'RFC 9112 3.2.4', '*', 404, 405, 501),
  h1('OPTIONS *', 'RFC 9112 3.2.4', { method: 'OPTIONS', target: '*' }, refusedOr([204, 400, 404, 405, 501])),
  target('a fragment', 'RFC 9112 3.2', '{path}#x', 404),
  h1('dot segments', 'RFC 3986 5.2.4', { target: '{path}/a/../b/./c' }, refusedOr([400, 404], plainPath(dotSegment))),
  h1(
    'dot segments over the root',
    'RFC 3986 5.2.4',
    { target: '{path}/../../../b' },
    refusedOr([400, 404], plainPath(dotSegment)),
  ),
  h1('encoded dot segments', 'RFC 3986 6.2.2', { target: '{path}/a/%2e%2E/b' }, refusedOr([400, 404], plainPath(dotSegment))),
  h1('half-encoded dot segments', 'RFC 3986 6.2.2', { target: '{path}/a/.%2e/b' }, refusedOr([400, 404], plainPath(dotSegment))),
  h1(
    'a dot segment with parameters',
    'RFC 3986 3.3',
    { target: '{path}/a/..;x/b' },
    refusedOr([400, 404], plainPath(dotSegment)),
  ),
  h1('empty segments', 'RFC 3986 3.3', { target: '/{path}//b' }, refusedOr([400, 404], plainPath(/\/\//))),
  target('an encoded slash', 'edge: paths', '{path}%2fb', 404),
  target('an encoded NUL', 'edge: paths', '{path}%00', 404),
  target('an encoded backslash', 'edge: paths', '{path}/a%5c..%5cb', 404),
  target('a backslash', 'RFC 3986 3.3', '{path}/a\\..\\b', 404),
  target('an encoded line end', 'edge: paths', '{path}%0d%0aX-A:%20b', 404),
  h1('a percent sign without digits', 'RFC 3986 2.1', { target: '{path}/%zz%' }, refusedOr([400, 404])),
  target('a space in the target', 'RFC 9112 3.2', '{path} b'),
  target('a tab in the target', 'RFC 9112 3.2', '{path}\tb'),
  target('a bare CR in the target', 'RFC 9112 3.2', '{path}\rb'),
  target('octets over 127 in the target', 'RFC 3986 2', '{path}/\xe4'),
  h1('a target of 64 KiB', 'RFC 9110 15.5.15', { target: `{path}?${'x'.repeat(65_536)}` }, refused(400, 414, 431)),

  h1('CONNECT', 'RFC 9110 9.3.6', { method: 'CONNECT', target: '{authority}:443' }, refused(400, 403, 404, 405, 501)),
  h1('TRACE', 'RFC 9110 9.3.8', { method: 'TRACE' }, refused(400, 403, 404, 405, 501)),
  verb('an unknown method', 'FROB'),
  verb('a method in lower case', 'get'),
  h1('a method with a separator', 'RFC 9110 9.1', { method: 'GE(T' }, refusedAndClosed(400, 405, 501)),
  h1('a method with NUL', 'RFC 9110 9.1', { method: 'GE\0T' }, refusedAndClosed(400, 405, 501)),
  h1('an empty method', 'RFC 9112 3', ' {path} HTTP/1.1\r\nHost: {authority}\r\n\r\n', refusedAndClosed(400)),
  h1('two spaces in the request line', 'RFC 9112 3', 'GET  {path} HTTP/1.1\r\nHost: {authority}\r\n\r\n', refusedOr([400])),
  h1('a tab in the request line', 'RFC 9112 3', 'GET\t{path}\tHTTP/1.1\r\nHost: {authority}\r\n\r\n', refusedOr([400])),
  h1('a word behind the version', 'RFC 9112 3', { version: 'HTTP/1.1 x' }, refusedAndClosed(400, 505)),
  h1('a request line without a version', 'RFC 9112 3', 'GET {path}\r\nHost: {authority}\r\n\r\n', refusedAndClosed(400, 505)),
  h1('HTTP/0.9', 'RFC 9112 3', { version: 'HTTP/0.9' }, refusedAndClosed(400, 505)),
  h1('HTTP/1.2', 'RFC 9110 2.5', { version: 'HTTP/1.2' }, refusedOr([400, 505])),
  h1('HTTP/2.0 as text', 'RFC 9112 2.3', { version: 'HTTP/2.0' }, refusedAndClosed(400, 505)),
  h1('http/1.1 in lower case', 'RFC 9112 2.3', { version: 'http/1.1' }, refusedAndClosed(400, 505)),
  h1('HTTP/1.1 with more digits', 'RFC 9112 2.3', { version: 'HTTP/1.10' }, refusedAndClosed(400, 505)),
  h1(
    'empty lines before the request',
    'RFC 9112 2.2',
    '\r\n\r\nGET {path} HTTP/1.1\r\nHost: {authority}\r\n\r\n',
    refusedOr([400]),
  ),
  h1(
    'the preface of HTTP/2',
    'RFC 9113 3.4',
    `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${smuggled}`,
    refusedAndClosed(400, 403, 405, 501, 505, 'closed'),
  ),
  h1(
    'a handshake of TLS',
    'RFC 8446 5.1',
    `\x16\x03\x01\x00\x05\x01\x00\x00\x01\x03${smuggled}`,
    refusedAndClosed(400, 'closed'),
  ),
  h1(
    'pipelined requests',
    'RFC 9112 9.3.2',
    'GET {path} HTTP/1.1\r\nHost: {authority}\r\n\r\nGET {path}/second HTTP/1.1\r\nHost: {authority}\r\n\r\n',
    {
      ...{ answers: [200], upstream: 2 },
      check: ({ responses: [first, second] }) =>
        first && !first.body.includes('/second') && (!second || second.body.includes('/second'))
          ? undefined
          : 'the responses are not in the order of the requests',
    },
    { responses: 2 },
  ),
  h1(
    'a pipelined request behind a body',
    'RFC 9112 9.3.2',
    'POST {path} HTTP/1.1\r\nHost: {authority}\r\nContent-Length: 5\r\n\r\nhelloGET {path}/second HTTP/1.1\r\nHost: {authority}\r\n\r\n',
    {
      ...{ answers: [200], upstream: 2 },
      check: seen(({ target: path, body }) =>
        body === (path.endsWith('/second') ? '' : 'hello') ? undefined : `${path} has the body ${body}`,
      ),
    },
    { responses: 2 },
  ),
  h1(
    'a request behind Connection: close',
    'RFC 9112 9.6',
    `GET {path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n${smuggled}`,
    { answers: [200, 400], closes: true, upstream: 1 },
  ),
  h1('a response to HEAD has no body', 'RFC 9110 9.3.2', { method: 'HEAD' }, forwarded()),
]
