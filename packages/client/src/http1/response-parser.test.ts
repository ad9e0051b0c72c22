import { createSeededRandom } from '@sd/testing'
import { describe, expect, test } from 'vitest'
import type { Http1Head } from './response-head.ts'
import { ResponseParser } from './response-parser.ts'

/** What a parser made of some bytes. */
interface Parsed {
  readonly heads: readonly (readonly [status: number, raw: readonly string[]])[]
  readonly body: string
  readonly trailers: readonly string[]
  readonly surplus: number
  readonly isComplete: boolean
  readonly keepsAlive: boolean
  readonly code?: string
}

/** Parses bytes that arrive in parts. The buffer of each part is overwritten afterwards, as the one of sockets is. */
function parse(bytes: Buffer, parts: readonly number[], { method = 'GET', ends = false } = {}): Parsed {
  const heads: [number, readonly string[]][] = []
  let body = ''
  const parser = new ResponseParser(
    {
      isOver: false,
      onHead: ({ status, raw }: Http1Head) => void heads.push([status, raw]),
      onBody(chunk) {
        body += chunk.toString('latin1')
      },
    },
    1_024,
  )
  parser.begin(method)
  let surplus = 0
  let code: string | undefined
  try {
    let at = 0
    for (const length of parts) {
      const part = Buffer.from(bytes.subarray(at, at + length))
      at += length
      if (parser.isComplete) surplus += part.length
      else surplus += parser.push(part)
      part.fill('#')
    }
    if (ends && !parser.isComplete && !parser.finish()) code = 'truncated'
  } catch (error) {
    code = (error as { code: string }).code
  }
  const { rawTrailers: trailers, isComplete, keepsAlive } = parser
  return { heads, body, trailers, surplus, isComplete, keepsAlive, ...(code !== undefined && { code }) }
}

const ok = 'HTTP/1.1 200 OK\r\n'
const chunks = '3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\n'

const rows: Readonly<Record<string, readonly [text: string, result: string, options?: Parameters<typeof parse>[2]]>> = {
  'a length': [`${ok}content-length: 5\r\n\r\nhello`, '200 <hello> kept'],
  'a length, and bytes behind it': [`${ok}content-length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\n`, '200 <hello> kept, 17 more'],
  chunks: [`${ok}Transfer-Encoding: chunked\r\n\r\n${chunks}\r\n`, '200 <abc0123456789> kept'],
  'chunks and trailer fields': [
    `${ok}transfer-encoding: chunked\r\n\r\n${chunks}x-sum: 1\r\nX-b:  two \r\n\r\n`,
    '200 <abc0123456789> kept, x-sum=1 X-b=two',
  ],
  'chunks, and bytes behind them': [
    `${ok}transfer-encoding: chunked\r\n\r\n${chunks}\r\nmore`,
    '200 <abc0123456789> kept, 4 more',
  ],
  'informational responses': [
    `HTTP/1.1 103 Early\r\nlink: </a>\r\n\r\nHTTP/1.1 100 \r\n\r\n${ok}content-length: 1\r\n\r\nx`,
    '103 100 200 <x> kept',
  ],
  'a change of protocol': ['HTTP/1.1 101 Switching\r\nupgrade: websocket\r\n\r\nbytes', '101 <> kept, 5 more'],
  'HEAD with a length': [`${ok}content-length: 5\r\n\r\n`, '200 <> kept', { method: 'HEAD' }],
  '204 with a length': ['HTTP/1.1 204 None\r\ncontent-length: 5\r\n\r\n', '204 <> kept'],
  'until the connection ends': [`${ok}\r\nhello`, '200 <hello> closed', { ends: true }],
  'a truncated body': [`${ok}content-length: 9\r\n\r\nhello`, '200 <hello> truncated', { ends: true }],
  'a truncated head': [`${ok}content-le`, ' <> truncated', { ends: true }],
  'HTTP/1.0': ['HTTP/1.0 200 OK\r\ncontent-length: 1\r\n\r\nx', '200 <x> closed'],
  'HTTP/1.0 that is kept': ['HTTP/1.0 200 OK\r\nconnection: Keep-Alive\r\ncontent-length: 1\r\n\r\nx', '200 <x> kept'],
  'a connection that is closed': [`${ok}connection: x-a , Close\r\ncontent-length: 1\r\n\r\nx`, '200 <x> closed'],
  'fields of every kind': [
    `${ok}a:\r\nb: \t \r\nc:d:e\r\nSet-Cookie: x\r\nset-cookie: y\r\ncontent-length: 0\r\n\r\n`,
    '200 <> kept',
  ],
  'a status line without a reason': ['HTTP/1.1 200\r\ncontent-length: 0\r\n\r\n', '200 <> kept'],
}

const invalid: Readonly<Record<string, string>> = {
  'another protocol': 'SSH-2.0-OpenSSH\r\n',
  'another version': 'HTTP/2.0 200 OK\r\n\r\n',
  'a status of two digits': 'HTTP/1.1 20 OK\r\n\r\n',
  'a status below 100': 'HTTP/1.1 099 OK\r\n\r\n',
  'a space before the version': ' HTTP/1.1 200 OK\r\n\r\n',
  'lines without CR': 'HTTP/1.1 200 OK\ncontent-length: 1\n\nx',
  'one line without CR': `${ok}a: b\ncontent-length: 1\r\n\r\nx`,
  'a CR alone': `${ok}a: b\rc\r\ncontent-length: 1\r\n\r\nx`,
  'a NUL': `${ok}a: b\0\r\n\r\n`,
  'a folded field': `${ok}a: b\r\n c\r\n\r\n`,
  'a space before the colon': `${ok}a : b\r\n\r\n`,
  'no colon': `${ok}abc\r\n\r\n`,
  'no name': `${ok}: b\r\n\r\n`,
  'two lengths': `${ok}content-length: 1\r\ncontent-length: 1\r\n\r\nx`,
  'a list of lengths': `${ok}content-length: 1, 1\r\n\r\nx`,
  'a length with a sign': `${ok}content-length: +1\r\n\r\nx`,
  'an empty length': `${ok}content-length:\r\n\r\nx`,
  'a length and chunks': `${ok}content-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`,
  'chunks in HTTP/1.0': 'HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
  'another encoding': `${ok}transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n`,
  'chunked twice': `${ok}transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`,
  'a size that is not hexadecimal': `${ok}transfer-encoding: chunked\r\n\r\n0x1\r\nx\r\n0\r\n\r\n`,
  'a size with a sign': `${ok}transfer-encoding: chunked\r\n\r\n+1\r\nx\r\n0\r\n\r\n`,
  'a size that is too large': `${ok}transfer-encoding: chunked\r\n\r\n${'f'.repeat(17)}\r\nx`,
  'a size with a space': `${ok}transfer-encoding: chunked\r\n\r\n1 \r\nx\r\n0\r\n\r\n`,
  'a size without CR': `${ok}transfer-encoding: chunked\r\n\r\n1\nx\r\n0\r\n\r\n`,
  'a chunk that is longer than its size': `${ok}transfer-encoding: chunked\r\n\r\n1\r\nxy\r\n0\r\n\r\n`,
  'an endless extension': `${ok}transfer-encoding: chunked\r\n\r\n1;${'a'.repeat(2_000)}\r\nx`,
  'many extensions': `${ok}transfer-encoding: chunked\r\n\r\n${`1;${'a'.repeat(500)}\r\nx\r\n`.repeat(3)}0\r\n\r\n`,
  'a trailer field without a colon': `${ok}transfer-encoding: chunked\r\n\r\n0\r\nabc\r\n\r\n`,
}

/** Statuses, body, end, trailer fields, and the number of bytes behind the response. */
function describeParsed({ heads, body, trailers, surplus, isComplete, keepsAlive, code }: Parsed): string {
  const end = code ?? (isComplete ? (keepsAlive ? 'kept' : 'closed') : 'incomplete')
  const fields = trailers.map((text, index) => (index % 2 === 0 ? `${index === 0 ? ', ' : ' '}${text}=` : text)).join('')
  return `${heads.map(([status]) => status).join(' ')} <${body}> ${end}${fields}${surplus > 0 ? `, ${surplus} more` : ''}`
}

/** Divides a length into parts at random. */
function divide(length: number, random: () => number): number[] {
  const parts: number[] = []
  for (let left = length; left > 0; ) {
    const part = Math.min(left, 1 + Math.floor(random() * (random() < 0.5 ? 3 : 40)))
    parts.push(part)
    left -= part
  }
  return parts
}

describe('however its bytes arrive, a response is read the same', () => {
  test.each(Object.entries(rows))('%s', (_, [text, result, options]) => {
    const bytes = Buffer.from(text, 'latin1')
    const whole = parse(bytes, [bytes.length], options)
    expect(describeParsed(whole)).toBe(result)
    expect(parse(bytes, new Array<number>(bytes.length).fill(1), options)).toEqual(whole)
    const random = createSeededRandom(7)
    for (let round = 0; round < 20; round++) expect(parse(bytes, divide(bytes.length, random), options)).toEqual(whole)
  })
})

describe('a response that is not valid is refused, however its bytes arrive', () => {
  test.each(Object.entries(invalid))('%s', (_, text) => {
    const bytes = Buffer.from(text, 'latin1')
    expect(parse(bytes, [bytes.length]).code).toBe('SD_MALFORMED')
    expect(parse(bytes, new Array<number>(bytes.length).fill(1)).code).toBe('SD_MALFORMED')
  })
})

test.each([
  ['head', `${ok}x-large: ${'a'.repeat(2_000)}`],
  ['trailer section', `${ok}transfer-encoding: chunked\r\n\r\n0\r\nx-large: ${'a'.repeat(2_000)}`],
])('a %s beyond its limit is refused before its end', (_, text) => {
  const bytes = Buffer.from(text)
  expect(parse(bytes, [bytes.length]).code).toBe('SD_TOO_LARGE')
  expect(parse(bytes, new Array<number>(bytes.length).fill(1)).code).toBe('SD_TOO_LARGE')
})

test('fields keep their names, their order and their repetition', () => {
  const [text = ''] = rows['fields of every kind'] ?? []
  const { heads } = parse(Buffer.from(text), [text.length])
  expect(heads[0]?.[1]).toEqual(['a', '', 'b', '', 'c', 'd:e', 'Set-Cookie', 'x', 'set-cookie', 'y', 'content-length', '0'])
})
