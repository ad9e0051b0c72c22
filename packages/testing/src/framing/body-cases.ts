import {
  body,
  type Check,
  cutOff,
  forwarded,
  h1,
  quote,
  refused,
  refusedAndClosed,
  refusedOr,
  seen,
  smuggled,
  without,
} from './case-parts.ts'
import type { FramingCase } from './framing-case.ts'
import { fieldsOf } from './http1-reader.ts'

/** A request whose body has a length by `lines`, and which a front that reads another length takes for two. */
function post(
  lines: readonly string[],
  content: string,
): { readonly method: string; readonly lines: readonly string[]; readonly body: string } {
  return { method: 'POST', lines, body: content }
}

const chunked = 'Transfer-Encoding: chunked'
const hello = '5\r\nhello\r\n0\r\n\r\n'
const inChunk = `0\r\n\r\n${smuggled}`

/** A request with this Transfer-Encoding, which means something different for servers that do not agree on it. */
function encoding(name: string, lines: readonly string[], ...answers: readonly number[]): FramingCase {
  return h1(name, 'RFC 9112 6.1', post(lines, hello), refusedAndClosed(...answers))
}

/** A request with this Content-Length, or these. */
function length(name: string, lines: readonly string[], ...answers: readonly number[]): FramingCase {
  return h1(name, 'RFC 9112 6.3', post(lines, 'hello'), refusedAndClosed(...answers))
}

/** A request with this chunked body. */
function chunks(name: string, content: string, ...answers: readonly (number | 'closed')[]): FramingCase {
  return h1(name, 'RFC 9112 7.1', post([chunked], content), cutOff(400, 'closed', ...answers))
}

/** The upstream receives none of these trailers, which only a head may have. */
function trailersWithout(...names: readonly string[]): Check {
  return seen(({ trailers }) => {
    const found = names.find((name) => fieldsOf(trailers, name).length > 0)
    return found && `the upstream received the trailer ${found}`
  })
}

/** No trailer has become a field of the head. */
function fieldsWithout(...values: readonly string[]): Check {
  return seen(({ fields }) => {
    const found = fields.find(([, value]) => values.includes(value))
    return found && `the trailer ${found[0]} became a field of the head`
  })
}

const bodyOrNone: Check = seen(({ body: got }) =>
  got === 'hello' || got === '' ? undefined : `the upstream received the body ${quote(got)}`,
)

const fullBody: Check = seen(({ body: got }) =>
  got.endsWith('\r\n\r\n') && got.includes('/smuggled') ? undefined : `the upstream received the body ${quote(got)}`,
)

/** Cases about the length of a request over HTTP/1.1. */
export const bodyCases: readonly FramingCase[] = [
  h1(
    'Content-Length before Transfer-Encoding',
    'RFC 9112 6.3',
    post(['Content-Length: {length}', chunked], inChunk),
    refusedAndClosed(400),
  ),
  h1(
    'Transfer-Encoding before Content-Length',
    'RFC 9112 6.3',
    post([chunked, 'Content-Length: 4'], `{hex}\r\n${smuggled}\r\n0\r\n\r\n`),
    refusedAndClosed(400),
  ),
  encoding('Transfer-Encoding: gzip, chunked', ['Transfer-Encoding: gzip, chunked'], 501, 400),
  encoding('Transfer-Encoding: gzip', ['Transfer-Encoding: gzip'], 400, 501),
  encoding('Transfer-Encoding: chunked, gzip', ['Transfer-Encoding: chunked, gzip'], 400, 501),
  encoding('Transfer-Encoding: identity', ['Transfer-Encoding: identity'], 400, 501),
  encoding('Transfer-Encoding: chunked, chunked', ['Transfer-Encoding: chunked, chunked'], 400, 501),
  encoding('Transfer-Encoding: chunked, then identity', [chunked, 'Transfer-Encoding: identity'], 400, 501),
  encoding('Transfer-Encoding: identity, then chunked', ['Transfer-Encoding: identity', chunked], 400, 501),
  encoding('Transfer-Encoding: chunked twice', [chunked, chunked], 400, 501),
  encoding('Transfer-Encoding: xchunked', ['Transfer-Encoding: xchunked'], 400, 501),
  encoding('Transfer-Encoding: chunked with a parameter', ['Transfer-Encoding: chunked;q=1'], 400, 501),
  encoding('Transfer-Encoding: "chunked" in quotes', ['Transfer-Encoding: "chunked"'], 400, 501),
  encoding('Transfer-Encoding with a vertical tab', ['Transfer-Encoding: \x0bchunked'], 400, 501),
  encoding('Transfer-Encoding with a non-breaking space', ['Transfer-Encoding: chunked\xa0'], 400, 501),
  encoding('Transfer-Encoding with a space before the colon', ['Transfer-Encoding : chunked'], 400),
  encoding('Transfer-Encoding behind a bare CR', ['X-A: b\rTransfer-Encoding: chunked'], 400),
  encoding('Transfer-Encoding behind a bare LF', ['X-A: b\nTransfer-Encoding: chunked'], 400),
  encoding('Transfer-Encoding behind a fold', ['X-A: b', ' Transfer-Encoding: chunked'], 400),
  encoding('Transfer-Encoding whose value is on a folded line', ['Transfer-Encoding:', ' chunked'], 400),
  h1(
    'Transfer-Encoding without a value, and Content-Length',
    'RFC 9112 6.3',
    post(['Transfer-Encoding:', 'Content-Length: 5'], 'hello'),
    refusedAndClosed(400, 501),
  ),
  h1(
    'Transfer-Encoding in HTTP/1.0',
    'RFC 9112 6.1',
    { ...post([chunked, 'Connection: keep-alive'], hello), version: 'HTTP/1.0' },
    refusedAndClosed(400, 501),
  ),
  h1(
    'Transfer-Encoding: CHUNKED',
    'RFC 9112 7',
    post(['Transfer-Encoding: CHUNKED'], hello),
    refusedOr([400, 501], body('hello')),
  ),
  h1(
    'Transfer-Encoding with tabs',
    'RFC 9110 5.6.3',
    post(['Transfer-Encoding:\tchunked\t'], hello),
    refusedOr([400, 501], body('hello')),
  ),
  h1(
    'Transfer_Encoding with an underscore',
    'edge: names',
    post(['Transfer_Encoding: chunked', 'Content-Length: 5'], 'hello'),
    refusedOr([400], without('transfer_encoding'), body('hello')),
  ),

  length('two different Content-Length', ['Content-Length: 5', 'Content-Length: 6'], 400),
  length('two equal Content-Length', ['Content-Length: 5', 'Content-Length: 5'], 400),
  length('Content-Length: 5, 5', ['Content-Length: 5, 5'], 400),
  length('Content-Length: +5', ['Content-Length: +5'], 400),
  length('Content-Length: -5', ['Content-Length: -5'], 400),
  length('Content-Length: 0x5', ['Content-Length: 0x5'], 400),
  length('Content-Length: 5.0', ['Content-Length: 5.0'], 400),
  length('Content-Length: 1e1', ['Content-Length: 1e1'], 400),
  length('Content-Length: 5 5', ['Content-Length: 5 5'], 400),
  length('Content-Length: 5a', ['Content-Length: 5a'], 400),
  length('Content-Length without a value', ['Content-Length:'], 400),
  length('Content-Length over 64 bits', ['Content-Length: 18446744073709551621'], 400, 413),
  length('Content-Length with a space before the colon', ['Content-Length : 5'], 400),
  length('Content-Length with a fold', ['Content-Length:', ' 5'], 400),
  length('Content-Length with a form feed', ['Content-Length: \x0c5'], 400),

  chunks('a chunk size over 64 bits', '10000000000000005\r\nhello\r\n0\r\n\r\n', 413),
  chunks('a negative chunk size', '-5\r\nhello\r\n0\r\n\r\n'),
  chunks('a chunk size with 0x', '0x5\r\nhello\r\n0\r\n\r\n'),
  chunks('a chunk size with +', '+5\r\nhello\r\n0\r\n\r\n'),
  chunks('a chunk without a size', ';x\r\nhello\r\n0\r\n\r\n'),
  chunks('a space before a chunk size', ' 5\r\nhello\r\n0\r\n\r\n'),
  chunks('a chunk extension with a bare LF', `5;x\nhello\r\n0\r\n\r\n${smuggled}`),
  chunks('a chunk extension with a bare CR', '5;x\ry\r\nhello\r\n0\r\n\r\n'),
  chunks('a chunk extension with NUL', '5;x=\0\r\nhello\r\n0\r\n\r\n'),
  chunks('a chunk line that ends with a bare LF', '5\nhello\r\n0\r\n\r\n'),
  chunks('chunk data that end with a bare LF', '5\r\nhello\n0\r\n\r\n'),
  chunks('chunk data longer than the size', '3\r\nhello\r\n0\r\n\r\n'),
  chunks('chunk data without an end', `5\r\nhello0\r\n\r\n${smuggled}`),
  chunks('a last chunk that ends with bare LF', '5\r\nhello\r\n0\n\n'),
  h1(
    'a chunk extension of 64 KiB',
    'RFC 9112 7.1.1',
    post([chunked], `5;x=${'y'.repeat(65_536)}\r\nhello\r\n0\r\n\r\n`),
    cutOff(400, 413, 431, 'closed'),
  ),
  h1(
    'an unknown chunk extension',
    'RFC 9112 7.1.1',
    post([chunked], '5;x="a;b"\r\nhello\r\n0\r\n\r\n'),
    refusedOr([400], body('hello')),
  ),
  h1(
    'Content-Length in the trailers',
    'RFC 9110 6.5.1',
    post([chunked], '5\r\nhello\r\n0\r\nContent-Length: 50\r\n\r\n'),
    refusedOr([400, 'closed'], trailersWithout('content-length'), fieldsWithout('50')),
  ),
  h1(
    'Transfer-Encoding, Host and Connection in the trailers',
    'RFC 9110 6.5.1',
    post([chunked], '5\r\nhello\r\n0\r\nTransfer-Encoding: gzip\r\nConnection: x\r\nX_Forwarded_For: 6.6.6.6\r\n\r\n'),
    refusedOr([400, 'closed'], trailersWithout('transfer-encoding', 'connection', 'x_forwarded_for'), body('hello')),
  ),
  h1(
    'Authorization in the trailers',
    'RFC 9110 6.5.1',
    post([chunked, 'Trailer: Authorization'], '5\r\nhello\r\n0\r\nAuthorization: Basic c3k=\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n'),
    refusedOr([400, 'closed'], trailersWithout('authorization', 'x-forwarded-for'), fieldsWithout('Basic c3k=', '6.6.6.6')),
  ),
  h1(
    'a trailer with a bare LF',
    'RFC 9112 7.1.2',
    post([chunked], `5\r\nhello\r\n0\r\nX-A: b\nX-B: c\r\n\r\n`),
    cutOff(400, 'closed'),
  ),

  h1('GET with a body', 'RFC 9110 9.3.1', { lines: ['Content-Length: 5'], body: 'hello' }, refusedOr([400, 413], bodyOrNone)),
  h1(
    'HEAD with a body',
    'RFC 9110 9.3.2',
    { method: 'HEAD', lines: ['Content-Length: 5'], body: 'hello' },
    refusedOr([400, 413], bodyOrNone),
  ),
  h1(
    'DELETE with a chunked body',
    'RFC 9110 9.3.5',
    { method: 'DELETE', lines: [chunked], body: hello },
    refusedOr([400, 413], bodyOrNone),
  ),
  h1(
    'a GET whose body is a request',
    'RFC 9110 9.3.1',
    { lines: ['Content-Length: {length}'], body: smuggled },
    refusedOr([400, 413]),
  ),
  h1('a body that is a request', 'RFC 9112 6.2', post(['Content-Length: {length}'], smuggled), forwarded(fullBody)),
  h1('POST without a body', 'RFC 9112 6.3', { method: 'POST' }, refusedOr([411], body(''))),
  h1(
    'a client that leaves inside of a body',
    'RFC 9112 8',
    [`POST {path} HTTP/1.1\r\nHost: {authority}\r\nContent-Length: 50\r\n\r\nhello`, 'upstream'],
    { answers: [], upstream: 'incomplete' },
    { leaves: true },
  ),
  h1(
    'a client that leaves inside of a chunked body',
    'RFC 9112 8',
    [`POST {path} HTTP/1.1\r\nHost: {authority}\r\n${chunked}\r\n\r\n5\r\nhello\r\n`, 'upstream'],
    { answers: [], upstream: 'incomplete' },
    { leaves: true },
  ),
  h1('a head that never ends', 'RFC 9112 2.2', ['GET {path} HTTP/1.1\r\nHost: {authority}\r\nX-A: '], refused(), {
    leaves: true,
  }),
]
