import {
  authority,
  body,
  type Check,
  forwarded,
  type Http2Parts,
  h2,
  method,
  plainPath,
  quote,
  refused,
  refusedOr,
  seen,
  withField,
  without,
} from './case-parts.ts'
import type { FramingCase, FramingExpectation } from './framing-case.ts'
import { type FramingField, fieldsOf } from './http1-reader.ts'

/** A request that RFC 9113 calls malformed: nothing of it reaches the upstream. */
function malformed(name: string, rule: string, parts: Http2Parts, ...answers: readonly number[]): FramingCase {
  return h2(name, rule, parts, refused(400, 'closed', ...answers))
}

/** A request with this field. */
function field(name: string, rule: string, ...fields: readonly FramingField[]): FramingCase {
  return malformed(name, rule, { fields })
}

/** A request with a field that HTTP/1.1 would read as something else. Leaving the field out is as safe as refusing the request. */
function unsafe(name: string, ...added: FramingField): FramingCase {
  return h2(name, 'RFC 9113 8.2.1', { fields: [added] }, refusedOr([400, 'closed'], leftOut))
}

/** A request with this pseudo-header field. */
function pseudo(
  name: string,
  rule: string,
  value: Readonly<Record<string, string | undefined>>,
  ...answers: readonly number[]
): FramingCase {
  return malformed(name, rule, { pseudo: value }, ...answers)
}

/** A POST whose body is malformed: it may be forwarded, but not to its end. */
function badBody(name: string, rule: string, parts: Http2Parts): FramingCase {
  return h2(name, rule, { pseudo: { ':method': 'POST' }, ...parts }, { answers: [400, 413, 'closed'], upstream: 'incomplete' })
}

/** A request whose path must arrive in its simplest form, or not at all. */
function path(name: string, rule: string, value: string, forbidden?: RegExp): FramingCase {
  const expect: FramingExpectation = forbidden
    ? refusedOr([400, 404, 'closed'], plainPath(forbidden))
    : refused(400, 404, 'closed')
  return h2(name, rule, { pseudo: { ':path': value } }, expect)
}

const dotSegment = /\/(?:\.|%2e){1,2}(?:\/|;|$)/i

const leftOut: Check = seen(({ fields, trailers }) => {
  const found = [...fields, ...trailers].find(([name, value]) => /^(?:x-[ab]|$)/i.test(name) || value.includes('x-b'))
  return found && `the upstream received the field ${quote(found.join(': '))}`
})

/** A front may leave trailers out, but must not forward these. */
function trailersWithout(...names: readonly string[]): Check {
  return seen(({ trailers, fields }) => {
    const found = names.find(
      (name) => fieldsOf(trailers, name).length > 0 || fieldsOf(fields, name).some((value) => value === 'trailer'),
    )
    return found && `the upstream received the trailer ${found}`
  })
}

/** Crumbs of a cookie are one field over HTTP/1.1, and may stay apart over HTTP/2. */
const oneCookie: Check = seen(({ protocol, fields }) => {
  const got = fieldsOf(fields, 'cookie').join(protocol === 'h1' ? ' | ' : '; ')
  return got === 'a=1; b=2; c=3' ? undefined : `the upstream received the cookie ${quote(got)}`
})

const inject = 'HTTP/1.1\r\nHost: {authority}\r\n\r\nGET {path}/smuggled HTTP/1.1\r\nX-A: b'

/** Cases over HTTP/2. Most matter where a front translates them to HTTP/1.1, where the octets have another meaning. */
export const http2Cases: readonly FramingCase[] = [
  unsafe('CR in a field value', 'x-a', 'b\rc'),
  unsafe('LF in a field value', 'x-a', 'b\nx-b: c'),
  unsafe('CRLF in a field value', 'x-a', 'b\r\nx-b: c'),
  unsafe('a request in a field value', 'x-a', 'b\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: framing.test\r\n\r\n'),
  unsafe('NUL in a field value', 'x-a', 'b\0c'),
  unsafe('a field name in upper case', 'X-A', 'b'),
  unsafe('a colon in a field name', 'x-a: b', 'c'),
  unsafe('CRLF in a field name', 'x-a: b\r\nx-b', 'c'),
  unsafe('a space in a field name', 'x-a b', 'c'),
  unsafe('an octet over 127 in a field name', 'x-a\xe4', 'b'),
  unsafe('an empty field name', '', 'x-a: b'),
  field('connection', 'RFC 9113 8.2.2', ['connection', 'close']),
  field('keep-alive', 'RFC 9113 8.2.2', ['keep-alive', 'timeout=99']),
  field('proxy-connection', 'RFC 9113 8.2.2', ['proxy-connection', 'keep-alive']),
  field('upgrade', 'RFC 9113 8.2.2', ['upgrade', 'h2c']),
  field('te: gzip', 'RFC 9113 8.2.2', ['te', 'gzip']),
  h2('te: trailers', 'RFC 9113 8.2.2', { fields: [['te', 'trailers']] }, forwarded()),
  h2('http2-settings', 'RFC 9113 3.1', { fields: [['http2-settings', 'AAMAAABkAAQCAAAAAAIAAAAA']] }, refusedOr([400, 'closed'])),
  h2(
    'proxy-authorization',
    'RFC 9110 11.7.2',
    { fields: [['proxy-authorization', 'Basic c3k=']] },
    refusedOr([400, 407, 'closed']),
  ),
  malformed('transfer-encoding: chunked', 'RFC 9113 8.2.2', {
    ...{ pseudo: { ':method': 'POST' }, fields: [['transfer-encoding', 'chunked']] },
    data: '0\r\n\r\nGET {path}/smuggled HTTP/1.1\r\nHost: {authority}\r\n\r\n',
  }),
  malformed('two :authority', 'RFC 9113 8.3', { first: [[':authority', 'other.test']] }),
  malformed('two :path', 'RFC 9113 8.3', { first: [[':path', '/smuggled']] }),
  malformed('two :method', 'RFC 9113 8.3', { first: [[':method', 'POST']] }),
  malformed('two :scheme', 'RFC 9113 8.3', { first: [[':scheme', 'https']] }),
  field(':authority and another host', 'RFC 9113 8.3.1', ['host', 'other.test']),
  field('two host', 'RFC 9113 8.3.1', ['host', '{authority}'], ['host', 'other.test']),
  h2(
    'host instead of :authority',
    'RFC 9113 8.3.1',
    { pseudo: { ':authority': undefined }, fields: [['host', '{authority}']] },
    {
      ...refusedOr([400, 'closed'], authority('{authority}')),
    },
  ),
  malformed('two host instead of :authority', 'RFC 9113 8.3.1', {
    ...{
      pseudo: { ':authority': undefined },
      fields: [
        ['host', '{authority}'],
        ['host', 'other.test'],
      ],
    },
  }),
  pseudo('neither :authority nor host', 'RFC 9113 8.3.1', { ':authority': undefined }, 404, 421),
  pseudo('an empty :authority', 'RFC 9113 8.3.1', { ':authority': '' }, 404, 421),
  pseudo(':authority with user information', 'RFC 9113 8.3.1', { ':authority': 'user@{authority}' }),
  pseudo(':authority with a path', 'RFC 9113 8.3.1', { ':authority': '{authority}/x' }),
  pseudo(':authority with a space', 'RFC 9113 8.3.1', { ':authority': '{authority} x' }),
  pseudo(':authority with CRLF', 'RFC 9113 8.3.1', { ':authority': '{authority}\r\nx-a: b' }),
  pseudo(':authority with a list', 'RFC 9113 8.3.1', { ':authority': '{authority}, other.test' }),
  malformed('a pseudo-header field behind fields', 'RFC 9113 8.3', {
    ...{
      pseudo: { ':path': undefined },
      fields: [
        ['x-a', 'b'],
        [':path', '{path}'],
      ],
    },
  }),
  pseudo('no :method', 'RFC 9113 8.3.1', { ':method': undefined }),
  pseudo('no :scheme', 'RFC 9113 8.3.1', { ':scheme': undefined }),
  pseudo('no :path', 'RFC 9113 8.3.1', { ':path': undefined }),
  pseudo('an unknown pseudo-header field', 'RFC 9113 8.3', { ':foo': 'x' }),
  pseudo(':status in a request', 'RFC 9113 8.3', { ':status': '200' }),
  pseudo('an empty :path', 'RFC 9113 8.3.1', { ':path': '' }, 404),
  pseudo('a :path without a slash', 'RFC 9113 8.3.1', { ':path': 'framing' }, 404),
  pseudo('an absolute :path', 'RFC 9113 8.3.1', { ':path': 'http://other.test{path}' }, 404),
  pseudo('GET with the :path *', 'RFC 9113 8.3.1', { ':path': '*' }, 404, 405, 501),
  pseudo('a fragment in :path', 'RFC 9113 8.3.1', { ':path': '{path}#x' }, 404),
  pseudo('a space in :path', 'RFC 9113 8.3.1', { ':path': '{path} HTTP/1.1' }, 404),
  pseudo('a request in :path', 'RFC 9113 8.3.1', { ':path': `{path} ${inject}` }, 404),
  pseudo('NUL in :path', 'RFC 9113 8.3.1', { ':path': '{path}\0' }, 404),
  pseudo('octets over 127 in :path', 'RFC 9113 8.3.1', { ':path': '{path}/\xe4' }, 404),
  pseudo('a request in :method', 'RFC 9113 8.3.1', { ':method': `GET {path} ${inject}` }, 405, 501),
  pseudo('a space in :method', 'RFC 9113 8.3.1', { ':method': 'GET x' }, 405, 501),
  pseudo('an empty :method', 'RFC 9113 8.3.1', { ':method': '' }, 405, 501),
  h2(
    'a :method in lower case',
    'RFC 9110 9.1',
    { pseudo: { ':method': 'get' } },
    refusedOr([400, 405, 501, 'closed'], method('get')),
  ),
  h2(
    'an unknown :method',
    'RFC 9110 9.1',
    { pseudo: { ':method': 'FROB' } },
    refusedOr([400, 405, 501, 'closed'], method('FROB')),
  ),
  pseudo('CONNECT', 'RFC 9113 8.5', { ':method': 'CONNECT', ':scheme': undefined, ':path': undefined }, 403, 404, 405, 501),
  pseudo('CONNECT with an unknown :protocol', 'RFC 8441 4', { ':method': 'CONNECT', ':protocol': 'frob' }, 403, 404, 405, 501),
  pseudo('TRACE', 'RFC 9110 9.3.8', { ':method': 'TRACE' }, 403, 404, 405, 501),
  h2(
    'a request in :scheme',
    'RFC 9113 8.3.1',
    { pseudo: { ':scheme': `http://evil.test/?${inject}` } },
    refusedOr([400, 'closed']),
  ),
  badBody('content-length over the DATA', 'RFC 9113 8.1.1', { fields: [['content-length', '50']], data: 'hello' }),
  badBody('content-length under the DATA', 'RFC 9113 8.1.1', {
    ...{ fields: [['content-length', '5']], data: 'helloGET {path}/smuggled HTTP/1.1\r\nHost: {authority}\r\n\r\n' },
  }),
  badBody('content-length: 0 and DATA', 'RFC 9113 8.1.1', {
    ...{ fields: [['content-length', '0']], data: 'GET {path}/smuggled HTTP/1.1\r\nHost: {authority}\r\n\r\n' },
  }),
  malformed('content-length without DATA', 'RFC 9113 8.1.1', {
    pseudo: { ':method': 'POST' },
    fields: [['content-length', '5']],
  }),
  badBody('two content-length', 'RFC 9113 8.1.1', {
    fields: [
      ['content-length', '5'],
      ['content-length', '6'],
    ],
    data: 'hello',
  }),
  badBody('content-length: +5', 'RFC 9113 8.1.1', { fields: [['content-length', '+5']], data: 'hello' }),
  badBody('content-length: 5, 5', 'RFC 9113 8.1.1', { fields: [['content-length', '5, 5']], data: 'hello' }),
  h2('a body without content-length', 'RFC 9113 8.1', { pseudo: { ':method': 'POST' }, data: 'hello' }, forwarded(body('hello'))),
  h2(
    'GET with DATA that is a request',
    'RFC 9113 8.1',
    { data: 'GET {path}/smuggled HTTP/1.1\r\nHost: {authority}\r\n\r\n' },
    {
      ...refusedOr([400, 413, 'closed'], wholeBody),
    },
  ),
  badBody('a pseudo-header field in the trailers', 'RFC 9113 8.1', { data: 'hello', trailers: [[':path', '/smuggled']] }),
  badBody('trailers that do not end the stream', 'RFC 9113 8.1', { data: 'hello', trailers: [['x-a', 'b']], ends: false }),
  h2(
    'CRLF in a trailer',
    'RFC 9113 8.2.1',
    { pseudo: { ':method': 'POST' }, data: 'hello', trailers: [['x-a', 'b\r\nx-b: c']] },
    refusedOr([400, 'closed'], leftOut, body('hello')),
  ),
  badBody('connection in the trailers', 'RFC 9113 8.2.2', { data: 'hello', trailers: [['connection', 'close']] }),
  h2(
    'content-length and host in the trailers',
    'RFC 9110 6.5.1',
    {
      pseudo: { ':method': 'POST' },
      data: 'hello',
      trailers: [
        ['content-length', '50'],
        ['host', 'trailer'],
        ['authorization', 'trailer'],
      ],
    },
    refusedOr([400, 'closed'], body('hello'), trailersWithout('content-length', 'host', 'authorization')),
  ),
  h2(
    'a cookie in crumbs',
    'RFC 9113 8.2.3',
    {
      fields: [
        ['cookie', 'a=1'],
        ['cookie', 'b=2'],
        ['cookie', 'c=3'],
      ],
    },
    forwarded(oneCookie),
  ),
  h2(
    '3,000 fields, of which the last one is authorization',
    'RFC 6585 5',
    { fields: [...Array.from({ length: 2_999 }, (): FramingField => ['a', '']), ['authorization', 'Basic c3k=']] },
    refusedOr([400, 413, 431, 'closed'], withField('authorization', 'Basic c3k=')),
  ),
  malformed('a field of 256 KiB', 'RFC 6585 5', { fields: [['x-a', 'b'.repeat(262_144)]] }, 413, 431),
  path('dot segments in :path', 'RFC 3986 5.2.4', '{path}/a/../b/./c', dotSegment),
  path('encoded dot segments in :path', 'RFC 3986 6.2.2', '{path}/a/%2e%2E/b', dotSegment),
  path('empty segments in :path', 'RFC 3986 3.3', '/{path}//b', /\/\//),
  path('an encoded slash in :path', 'edge: paths', '{path}%2fb'),
  path('an encoded NUL in :path', 'edge: paths', '{path}%00'),
  path('a backslash in :path', 'RFC 3986 3.3', '{path}/a\\..\\b'),
  h2(
    'expect',
    'RFC 9110 10.1.1',
    { pseudo: { ':method': 'POST' }, fields: [['expect', '200-ok']], data: 'hello' },
    {
      ...refusedOr([400, 417, 'closed'], without('expect')),
    },
  ),
]

function wholeBody({ seen: [request] }: Parameters<Check>[0]): string | undefined {
  return request && !request.body.endsWith('\r\n\r\n') && request.body !== ''
    ? `the upstream received the body ${quote(request.body)}`
    : undefined
}
