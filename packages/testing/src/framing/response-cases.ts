import { type Check, type Http1Parts, h1, quote, response, responseWithout } from './case-parts.ts'
import type { FramingCase, FramingExpectation, UpstreamScript } from './framing-case.ts'
import { fieldOf, fieldsOf } from './http1-reader.ts'

const secret = 'HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nsmuggled'

/** The upstream responds with these octets to a GET, or to another request. */
function responds(
  name: string,
  rule: string,
  upstreamResponse: string,
  expect: FramingExpectation,
  more: Partial<UpstreamScript> & { readonly request?: Http1Parts } = {},
): FramingCase {
  const { request = {}, ...script } = more
  return h1(`response: ${name}`, rule, request, expect, {
    upstreams: ['h1'],
    script: { response: upstreamResponse, ...script },
  })
}

/** The response is not valid: the client gets an error of the front instead. */
const replaced: FramingExpectation = { answers: [502], upstream: 1 }

/** The response is replaced, or passes the checks. */
function replacedOr(answers: readonly (number | 'closed')[], ...checks: readonly Check[]): FramingExpectation {
  return {
    answers: [502, ...answers],
    upstream: 1,
    check: (observation, words) => checks.map((check) => check(observation, words)).find((problem) => problem !== undefined),
  }
}

/** A response whose end never came must not look complete. */
const incomplete: Check = response(({ status, complete }) =>
  status === 200 && complete ? 'the client receives a complete response, although the upstream broke off' : undefined,
)

/** The response has this body, or is an error of the front. */
function bodyOf(want: string): Check {
  return response(({ status, body }) =>
    status === 502 || body === want ? undefined : `the client receives the body ${quote(body)}, want ${quote(want)}`,
  )
}

/** The connection is not used again, because unknown octets may be left on it. */
const otherConnection: Check = ({ seen: [attack], seenNext }) =>
  attack && attack.connection === seenNext?.connection ? 'the upstream connection is used again' : undefined

const oneFraming: Check = response(({ fields }) =>
  fieldsOf(fields, 'content-length').length + fieldsOf(fields, 'transfer-encoding').length > 1
    ? 'the client receives more than one framing of the body'
    : undefined,
)

const validFields: Check = response(({ fields }) => {
  const found = fields.find(
    ([name, value]) => !/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(name) || !/^[\t\x20-\x7e\x80-\xff]*$/.test(value),
  )
  return found && `the client receives the field ${quote(found.join(': '))}`
})

/** Cases in which the upstream responds with octets that a front must not pass on as they are. */
export const responseCases: readonly FramingCase[] = [
  responds(
    'Content-Length and Transfer-Encoding',
    'RFC 9112 6.3',
    'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
    replacedOr([200], oneFraming, bodyOf('hello'), otherConnection),
  ),
  responds(
    'two different Content-Length',
    'RFC 9112 6.3',
    'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 3\r\n\r\nhello',
    replaced,
  ),
  responds('Content-Length: 5, 3', 'RFC 9112 6.3', 'HTTP/1.1 200 OK\r\nContent-Length: 5, 3\r\n\r\nhello', replaced),
  responds('Content-Length: +5', 'RFC 9112 6.3', 'HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello', replaced),
  responds('Content-Length: -5', 'RFC 9112 6.3', 'HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello', replaced),
  responds(
    'Transfer-Encoding: gzip, chunked',
    'RFC 9112 6.1',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
    replaced,
  ),
  responds(
    'Transfer-Encoding without chunked',
    'RFC 9112 6.1',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
    replaced,
    { ends: true },
  ),
  responds(
    'a chunk size that is not a number',
    'RFC 9112 7.1',
    chunked('0x5\r\nhello\r\n0\r\n\r\n'),
    replacedOr([200, 'closed'], incomplete),
  ),
  responds(
    'a chunk size over 64 bits',
    'RFC 9112 7.1',
    chunked('10000000000000005\r\nhello\r\n0\r\n\r\n'),
    replacedOr([200, 'closed'], incomplete),
  ),
  responds(
    'chunk data longer than the size',
    'RFC 9112 7.1',
    chunked('3\r\nhello\r\n0\r\n\r\n'),
    replacedOr([200, 'closed'], incomplete),
  ),
  responds(
    'a chunk line that ends with a bare LF',
    'RFC 9112 7.1',
    chunked('5\nhello\r\n0\r\n\r\n'),
    replacedOr([200, 'closed'], incomplete),
  ),
  responds(
    '204 with a body',
    'RFC 9110 15.3.5',
    `HTTP/1.1 204 No Content\r\nContent-Length: ${secret.length}\r\n\r\n${secret}`,
    replacedOr([204], noBody),
  ),
  responds(
    '304 with Content-Length',
    'RFC 9110 15.4.5',
    'HTTP/1.1 304 Not Modified\r\nContent-Length: 100\r\nETag: "a"\r\n\r\n',
    {
      ...{ answers: [304], upstream: 1 },
      check: noBody,
    },
  ),
  responds(
    'a body for HEAD',
    'RFC 9110 9.3.2',
    `HTTP/1.1 200 OK\r\nContent-Length: ${secret.length}\r\n\r\n${secret}`,
    replacedOr([200], noBody),
    { request: { method: 'HEAD' } },
  ),
  responds(
    'a second response',
    'RFC 9112 9.2',
    `HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello${secret}`,
    replacedOr([200], bodyOf('hello')),
  ),
  responds(
    'a second response while the connection is idle',
    'RFC 9112 9.2',
    'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello',
    replacedOr([200], bodyOf('hello')),
    { later: secret },
  ),
  responds(
    'a second response behind a chunked body',
    'RFC 9112 9.2',
    `${chunked('5\r\nhello\r\n0\r\n\r\n')}${secret}`,
    replacedOr([200], bodyOf('hello')),
  ),
  responds(
    'a response before the body of the request',
    'RFC 9112 9.3',
    'HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n',
    { answers: [413, 502], upstream: 1 },
    { after: 'head', request: { method: 'POST', lines: ['Content-Length: 5'], body: 'hello' } },
  ),
  responds(
    '1,000 interim responses',
    'RFC 9110 15.2',
    `${'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n'.repeat(1_000)}${secret}`,
    {
      ...{ answers: [200, 502], upstream: 1 },
      check: bodyOf('smuggled'),
    },
  ),
  responds(
    '100 without Expect',
    'RFC 9110 15.2.1',
    `HTTP/1.1 100 Continue\r\n\r\n${secret}`,
    replacedOr([200], bodyOf('smuggled')),
  ),
  responds(
    '101 without Upgrade',
    'RFC 9110 15.2.2',
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: frob\r\nConnection: Upgrade\r\n\r\n`,
    replaced,
  ),
  responds('a bare CR in a field', 'RFC 9110 5.5', ok('X-A: b\rX-B: c'), replacedOr([200], validFields, responseWithout('x-b'))),
  responds('a bare LF in a field', 'RFC 9112 2.2', ok('X-A: b\nX-B: c'), replacedOr([200], validFields, responseWithout('x-b'))),
  responds('NUL in a field', 'RFC 9110 5.5', ok('X-A: b\0c'), replacedOr([200], validFields)),
  responds(
    'a folded field line',
    'RFC 9112 5.2',
    ok('X-A: b\r\n c: d'),
    replacedOr([200], validFields, responseWithout('c', ' c')),
  ),
  responds('a space before the colon', 'RFC 9112 5.1', ok('X-A : b'), replacedOr([200], validFields)),
  responds('a space in a field name', 'RFC 9110 5.1', ok('X A: b'), replacedOr([200], validFields)),
  responds('a field line without a colon', 'RFC 9112 5', ok('X-A'), replacedOr([200], responseWithout('x-a'))),
  responds('a head of 1 MiB', 'RFC 6585 5', ok(`X-A: ${'b'.repeat(1_048_576)}`), replaced),
  responds('a status line without a status', 'RFC 9112 4', 'HTTP/1.1 abc OK\r\nContent-Length: 0\r\n\r\n', replaced, {
    ends: true,
  }),
  responds('a status of four digits', 'RFC 9110 15', 'HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n', replaced, { ends: true }),
  responds('a status of 099', 'RFC 9110 15', 'HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n', replaced, { ends: true }),
  responds('a response without a head', 'RFC 9112 4', 'hello', replaced, { ends: true }),
  responds(
    'HTTP/1.0 with a body until the end',
    'RFC 9112 6.3',
    'HTTP/1.0 200 OK\r\n\r\nhello',
    replacedOr([200], bodyOf('hello'), whole),
    { ends: true },
  ),
  responds(
    'chunked in HTTP/1.0',
    'RFC 9112 6.1',
    'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
    replacedOr([200], bodyOf('hello'), otherConnection),
  ),
  responds(
    'a body shorter than Content-Length',
    'RFC 9112 8',
    'HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello',
    replacedOr([200, 'closed'], incomplete),
    {
      ends: true,
    },
  ),
  responds('a chunked body without an end', 'RFC 9112 8', chunked('5\r\nhello\r\n'), replacedOr([200, 'closed'], incomplete), {
    ends: true,
  }),
  responds('no response', 'RFC 9110 15.6.3', '', replacedOr([503, 504]), { ends: true }),
  responds(
    'Connection names fields',
    'RFC 9110 7.6.1',
    ok(
      'Connection: x-secret, content-length, set-cookie',
      'X-Secret: 1',
      'Keep-Alive: timeout=99',
      'Proxy-Connection: x',
      'Upgrade: h2c',
    ),
    replacedOr([200], responseWithout('x-secret', 'proxy-connection', 'upgrade'), bodyOf('hello'), ownKeepAlive),
  ),
  responds(
    'Content-Length in the trailers',
    'RFC 9110 6.5.1',
    chunked('5\r\nhello\r\n0\r\nContent-Length: 50\r\nSet-Cookie: a=1\r\nTransfer-Encoding: gzip\r\n\r\n'),
    replacedOr([200], bodyOf('hello'), oneFraming, noFramingTrailers),
  ),
  responds(
    'two Set-Cookie lines',
    'RFC 9110 5.3',
    ok('Set-Cookie: a=1; Expires=Wed, 09 Jun 2027 10:18:14 GMT', 'Set-Cookie: b=2'),
    {
      ...{ answers: [200], upstream: 1 },
      check: response(({ fields }) =>
        fieldsOf(fields, 'set-cookie').length === 2 ? undefined : 'the client does not receive two Set-Cookie lines',
      ),
    },
  ),
]

function chunked(body: string): string {
  return `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${body}`
}

function ok(...lines: readonly string[]): string {
  return ['HTTP/1.1 200 OK', ...lines, 'Content-Length: 5', '', 'hello'].join('\r\n')
}

function noBody({ responses: [first] }: Parameters<Check>[0]): string | undefined {
  return first && first.status !== 502 && first.body !== '' ? `the client receives the body ${quote(first.body)}` : undefined
}

function whole({ responses: [first] }: Parameters<Check>[0]): string | undefined {
  return first?.complete ? undefined : 'the client does not receive a complete response'
}

function ownKeepAlive({ responses: [first] }: Parameters<Check>[0]): string | undefined {
  return first && fieldOf(first.fields, 'keep-alive') === 'timeout=99'
    ? 'the client receives Keep-Alive of the upstream'
    : undefined
}

function noFramingTrailers({ responses: [first] }: Parameters<Check>[0]): string | undefined {
  const found = ['content-length', 'transfer-encoding'].find((name) => first && fieldsOf(first.trailers, name).length > 0)
  return found && `the client receives the trailer ${found}`
}
