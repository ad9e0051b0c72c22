import { createSeededRandom } from '../seeded-random.ts'
import { eventually } from '../waiting.ts'
import type { FramingPiece, FramingProtocol, FrontAnswer, SeenRequest } from './framing-case.ts'
import { framingCasesFor } from './framing-contract.ts'
import { sendHttp1, sendHttp2 } from './front-client.ts'
import type { FramingField } from './http1-reader.ts'
import { writeData, writeFieldSection } from './http2-frames.ts'
import { type FramingTarget, judgeNext, sendNext } from './run-case.ts'

/** What `fuzzFraming` sends. */
export interface FramingFuzzOptions {
  /** What the front speaks with clients. */
  readonly front: FramingProtocol
  /** The same seed sends the same inputs. */
  readonly seed: number
  /** Number of inputs. @default 200 */
  readonly inputs?: number
  /** Sends inputs for this time instead of a number of them, in milliseconds. */
  readonly durationMs?: number
}

/** What a run of `fuzzFraming` showed. */
export interface FramingFuzzResult {
  /** Number of inputs that were sent. */
  readonly inputs: number
  /** Number of requests that reached the upstream. */
  readonly forwarded: number
  /** What the front did wrong, with the input in base64 or the number of the input. Empty if it kept the rules. At most 10. */
  readonly problems: readonly string[]
}

/** Number of inputs after which a valid request follows. */
const inputsPerNext = 10
/** Silence after which an input is taken for incomplete. */
const silenceMs = 5
const maxProblems = 10

/**
 * Sends random variants of all rows of the framing suite, and checks what holds for any input: each request that the upstream receives is valid, no
 * part of one is left on its connection, there are no more of them than the front has responses for, the front ends what the client has ended, and
 * valid requests in between get their own responses.
 */
export async function fuzzFraming(target: FramingTarget, options: FramingFuzzOptions): Promise<FramingFuzzResult> {
  const { front, seed, inputs = 200, durationMs } = options
  const { upstream, authority = 'framing.test', limitMs = 5_000 } = target
  const make = front === 'h1' ? makeHttp1Inputs(createSeededRandom(seed)) : makeHttp2Inputs(createSeededRandom(seed))
  const problems: string[] = []
  const endAt = durationMs === undefined ? Number.POSITIVE_INFINITY : performance.now() + durationMs
  const most = durationMs === undefined ? inputs : Number.POSITIVE_INFINITY
  let [sent, forwarded] = [0, 0]
  for (; sent < most && performance.now() < endAt && problems.length < maxProblems; sent++) {
    const words = { path: `/fuzz/${sent}`, authority }
    const pieces = make(words)
    upstream.begin()
    // A front that refuses a pipelined request may still forward the one before it, when the next input has begun.
    const isOwn = ({ target: path }: SeenRequest): boolean => /\/fuzz\/(\d+)/.exec(path)?.[1] === `${sent}`
    const complete = (): number => upstream.requests().filter((request) => request.complete && isOwn(request)).length
    // The client ends the connection once the front has responded to all that the upstream has received.
    let before = 0
    const isAnswered = (responses: number): boolean => {
      before = complete()
      return before <= responses
    }
    const answer = await (front === 'h1' ? sendHttp1 : sendHttp2)(target.front, {
      ...{ pieces, responses: Number.POSITIVE_INFINITY, closesAfter: [], leaves: false, isHead: false, limitMs },
      upstreamHead: async () => undefined,
      quiet: { silenceMs, isAnswered },
    })
    forwarded += complete()
    const found = [...judge(answer, front, before), ...upstream.problems()]
    const isClean = await eventually(
      () => upstream.unfinished().length === 0 || Promise.reject(new Error('unfinished')),
      limitMs,
    ).catch(() => false)
    if (!isClean) found.push('an upstream connection stays open inside of a request')
    problems.push(...found.map((problem) => `input ${sent} of seed ${seed}: ${problem}: ${encode(pieces)}`))
    if (sent % inputsPerNext === 0)
      problems.push(...(await checkNext(target, front, `/fuzz/${sent}`, limitMs, `input ${sent} of seed ${seed}`)))
  }
  return { inputs: sent, forwarded, problems }
}

function judge({ responses, closed }: FrontAnswer, front: FramingProtocol, complete: number): readonly string[] {
  const problems: string[] = []
  if (!closed) problems.push('the front keeps a connection that the client has ended')
  if (front === 'h1' && complete > responses.length) {
    problems.push(`the upstream received ${complete} requests, and the front responded to ${responses.length}`)
  }
  return problems
}

async function checkNext(
  { front: address, upstream, authority = 'framing.test' }: FramingTarget,
  front: FramingProtocol,
  path: string,
  limitMs: number,
  input: string,
): Promise<readonly string[]> {
  upstream.begin()
  const next = await sendNext(front, address, { path, authority }, limitMs)
  const arrived = upstream.requests().filter((request) => request.target.includes(`${path}/after`))
  return judgeNext(next.responses[0], arrived).map((problem) => `${input} or one of the ${inputsPerNext} before: ${problem}`)
}

function encode(pieces: readonly FramingPiece[]): string {
  return Buffer.concat(pieces.filter((piece) => typeof piece !== 'string'))
    .toString('base64')
    .slice(0, 2_000)
}

type Words = { readonly path: string; readonly authority: string }

/** What a variant inserts. */
const tokens = [
  ...[
    '\r',
    '\n',
    '\r\n',
    '\r\n\r\n',
    '\0',
    '\t',
    ' ',
    ':',
    ';',
    ',',
    '\x0b',
    '\x7f',
    '\x80',
    '#',
    '?',
    '/',
    '//',
    '/../',
    '%2e',
    '%00',
    '%0d%0a',
  ],
  ...[
    '0',
    '5',
    '+',
    '-',
    '0x',
    'chunked',
    'gzip',
    'identity',
    'HTTP/1.0',
    'HTTP/1.1',
    'HTTP/2.0',
    'GET ',
    'POST ',
    'Host: x',
    '@',
    '*',
  ],
  ...[
    'Transfer-Encoding: chunked\r\n',
    'Content-Length: 5\r\n',
    'Content-Length: 0\r\n',
    'Connection: close\r\n',
    'Connection: host\r\n',
  ],
  ...['0\r\n\r\n', '5\r\nhello\r\n', 'Expect: 100-continue\r\n', 'Upgrade: h2c\r\n', 'Trailer: x\r\n', 'GET {path} HTTP/1.1\r\n'],
] as const

/** Valid requests with each framing of a body. */
const validRequests: readonly ((words: Words) => string)[] = [
  ({ path, authority }) => `GET ${path}?a=b HTTP/1.1\r\nHost: ${authority}\r\nAccept: */*\r\nCookie: a=1; b=2\r\n\r\n`,
  ({ path, authority }) => `HEAD ${path} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`,
  ({ path, authority }) => `GET ${path} HTTP/1.0\r\nHost: ${authority}\r\nConnection: keep-alive\r\n\r\n`,
  ({ path, authority }) => `POST ${path} HTTP/1.1\r\nHost: ${authority}\r\nContent-Length: 5\r\n\r\nhello`,
  ({ path, authority }) =>
    `POST ${path} HTTP/1.1\r\nHost: ${authority}\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n`,
  ({ path, authority }) => `PUT ${path} HTTP/1.1\r\nHost: ${authority}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`,
]

function makeHttp1Inputs(random: () => number): (words: Words) => readonly FramingPiece[] {
  const rows = framingCasesFor('h1', 'h2').filter(({ name }) => !/KiB|3,000/.test(name))
  const pick = <T>(values: readonly T[]): T => values[Math.floor(random() * values.length)] as T
  const textOf = (words: Words): string => (random() < 0.5 ? pick(validRequests)(words) : rowOf(words))
  const rowOf = (words: Words): string =>
    Buffer.concat(
      pick(rows)
        .send(words)
        .filter((piece) => typeof piece !== 'string'),
    ).toString('latin1')
  return (words) => {
    let text = random() < 0.1 ? textOf(words) + textOf(words) : textOf(words)
    for (let left = Math.floor(random() * 4); left > 0; left--)
      text = mutate(text, random, pick(tokens).replace('{path}', words.path), () => textOf(words))
    if (random() < 0.7) return [Buffer.from(text, 'latin1')]
    const cut = Math.floor(random() * text.length)
    return [Buffer.from(text.slice(0, cut), 'latin1'), Buffer.from(text.slice(cut), 'latin1')]
  }
}

/** One random change: an insertion, a removal, another octet, a line twice or a part of another input. */
function mutate(text: string, random: () => number, token: string, other: () => string): string {
  const at = Math.floor(random() * (text.length + 1))
  const kind = random()
  if (kind < 0.4) return text.slice(0, at) + token + text.slice(at)
  if (kind < 0.6) return text.slice(0, at) + text.slice(at + 1 + Math.floor(random() * 4))
  if (kind < 0.75) return text.slice(0, at) + String.fromCharCode(Math.floor(random() * 256)) + text.slice(at + 1)
  if (kind < 0.9) {
    const lines = text.split('\r\n')
    const line = Math.floor(random() * lines.length)
    return lines.toSpliced(Math.floor(random() * lines.length), 0, lines[line] as string).join('\r\n')
  }
  return text.slice(0, at) + other().slice(Math.floor(random() * 40))
}

const names = [
  ...[
    'x-a',
    'host',
    'content-length',
    'transfer-encoding',
    'connection',
    'te',
    'cookie',
    'expect',
    'upgrade',
    'X-A',
    'x_forwarded_for',
    '',
  ],
  ...[
    ':method',
    ':path',
    ':scheme',
    ':authority',
    ':status',
    ':protocol',
    'x a',
    'x\r\na',
    'trailer',
    'keep-alive',
    'x-forwarded-for',
  ],
]
const values = [
  ...[
    '',
    'a',
    '5',
    '0',
    '+5',
    '50',
    '5, 5',
    'chunked',
    'trailers',
    'close',
    'GET',
    'POST',
    'HEAD',
    'CONNECT',
    'https',
    'framing.test',
    '*',
  ],
  ...[
    'a\r\nb: c',
    'a\nb',
    'a\0b',
    ' a',
    'a\t',
    '\xe4',
    '/',
    '/a/../b',
    '/%2e%2e/',
    '/a#b',
    '/a b',
    '//a',
    '/%00',
    '/\\',
    'a@b',
    'http://a/',
  ],
]

function makeHttp2Inputs(random: () => number): (words: Words) => readonly FramingPiece[] {
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T
  return ({ path, authority }) => {
    const fields: FramingField[] = [
      [':method', pick(['GET', 'POST', 'POST', 'HEAD'])],
      ...([
        [':scheme', 'http'],
        [':authority', authority],
        [':path', path],
      ] as const),
    ]
    for (let left = Math.floor(random() * 4); left > 0; left--) {
      const at = Math.floor(random() * (fields.length + 1))
      const kind = random()
      if (kind < 0.5) fields.splice(at, 0, [pick(names), pick(values)])
      else if (kind < 0.7) fields.splice(at, 1)
      else if (fields[at])
        fields[at] = [fields[at][0], random() < 0.5 ? pick(values) : mutate(fields[at][1], random, pick(tokens), () => '')]
    }
    const hasData = random() < 0.5
    const hasTrailers = hasData && random() < 0.3
    const frames = [writeFieldSection(1, fields, !hasData)]
    if (hasData) frames.push(writeData(1, pick(['', 'hello', `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`]), !hasTrailers))
    if (hasTrailers) frames.push(writeFieldSection(1, [[pick(names), pick(values)]], random() < 0.8))
    const octets = Buffer.concat(frames)
    if (random() < 0.2) octets[Math.floor(random() * octets.length)] = Math.floor(random() * 256)
    return [octets]
  }
}
