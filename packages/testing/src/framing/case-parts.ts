import type {
  FramingCase,
  FramingExpectation,
  FramingObservation,
  FramingPiece,
  FramingWords,
  SeenRequest,
} from './framing-case.ts'
import type { FramingField } from './http1-reader.ts'
import { fieldOf, fieldsOf } from './http1-reader.ts'
import { writeData, writeFieldSection } from './http2-frames.ts'

/** Returns what is wrong, if anything. */
export type Check = (observation: FramingObservation, words: FramingWords) => string | undefined

/** The front responds with one of these statuses, and nothing reaches the upstream. It ends the connection if the next request may begin anywhere. */
export function refused(...answers: readonly (number | 'closed')[]): FramingExpectation {
  return { answers, upstream: 'nothing' }
}

/** As `refused`, and the end of the message is unknown. */
export function refusedAndClosed(...answers: readonly (number | 'closed')[]): FramingExpectation {
  return { answers, closes: true, upstream: 'nothing' }
}

/** The fault is in the body, which may be forwarded up to there: the upstream never receives its end. */
export function cutOff(...answers: readonly (number | 'closed')[]): FramingExpectation {
  return { answers, closes: true, upstream: 'incomplete' }
}

/** The request reaches the upstream once, in a form that passes the checks. */
export function forwarded(...checks: readonly Check[]): FramingExpectation {
  return { answers: [200], upstream: 1, check: every([...checks, atLeastOnce]) }
}

/** The request is refused with one of these statuses, or reaches the upstream in a form that passes the checks. */
export function refusedOr(answers: readonly (number | 'closed')[], ...checks: readonly Check[]): FramingExpectation {
  return { answers: [200, ...answers], upstream: 1, check: every(checks) }
}

function every(checks: readonly Check[]): Check {
  return (observation, words) => checks.map((check) => check(observation, words)).find((problem) => problem !== undefined)
}

function atLeastOnce({ seen }: FramingObservation): string | undefined {
  return seen.length === 0 ? 'the request did not reach the upstream' : undefined
}

/** Checks each request that reached the upstream. */
export function seen(check: (request: SeenRequest, words: FramingWords) => string | undefined): Check {
  return ({ seen: requests }, words) => requests.map((request) => check(request, words)).find((problem) => problem !== undefined)
}

/** A request that arrives as a whole has this body. */
export function body(want: string): Check {
  return seen((request) =>
    !request.complete || request.body === want
      ? undefined
      : `the upstream received the body ${quote(request.body)}, want ${quote(want)}`,
  )
}

/** The upstream receives none of these fields, neither as fields nor as trailers. */
export function without(...names: readonly string[]): Check {
  return seen(({ fields, trailers }) => {
    const found = names.find((name) => fieldsOf([...fields, ...trailers], name).length > 0)
    return found && `the upstream received ${found}`
  })
}

/** The upstream receives the field once, with this value. `{authority}` stands for the authority. */
export function withField(name: string, want: string): Check {
  return seen(({ fields }, words) => {
    const got = fieldsOf(fields, name).join(' | ')
    return got === fill(want, words) ? undefined : `the upstream received ${name} ${quote(got)}, want ${quote(fill(want, words))}`
  })
}

/** No value of the field contains this text. */
export function withoutValue(name: string, text: string): Check {
  return seen(({ fields }) =>
    fieldsOf(fields, name).some((value) => value.includes(text))
      ? `the upstream received ${name} of the client: ${text}`
      : undefined,
  )
}

/** The upstream receives this authority. */
export function authority(want: string): Check {
  return seen((request, words) =>
    request.authority === fill(want, words)
      ? undefined
      : `the upstream received the authority ${quote(request.authority)}, want ${quote(fill(want, words))}`,
  )
}

/** The upstream receives the method as the client wrote it. */
export function method(want: string): Check {
  return seen((request) => (request.method === want ? undefined : `the upstream received ${request.method}, want ${want}`))
}

/** The upstream receives a target that is in its simplest form: nothing in it leads to another path than the one that was matched. */
export function plainPath(forbidden: RegExp): Check {
  return seen(({ target }) => {
    const path = target.split('?')[0] ?? ''
    return forbidden.test(path) ? `the upstream received the path ${quote(path)}` : undefined
  })
}

/** Checks the first response of the front. */
export function response(
  check: (response: NonNullable<FramingObservation['next']>, words: FramingWords) => string | undefined,
): Check {
  return ({ responses: [first] }, words) => first && check(first, words)
}

/** The response has none of these fields. */
export function responseWithout(...names: readonly string[]): Check {
  return response(({ fields, trailers }) => {
    const found = names.find((name) => fieldsOf([...fields, ...trailers], name).length > 0)
    return found && `the response of the front has ${found}: ${quote(fieldOf(fields, found) ?? '')}`
  })
}

/** Quotes a text, shortened. */
export function quote(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text)
}

function fill(text: string, { path, authority: host }: FramingWords): string {
  return text.replaceAll('{path}', path).replaceAll('{authority}', host)
}

/** A valid request that only a front with a fault sees: it is inside of another one. */
export const smuggled = 'GET {path}/smuggled HTTP/1.1\r\nHost: {authority}\r\n\r\n'

/** What differs from a request with the own path and `Host`. */
export interface Http1Parts {
  readonly method?: string
  readonly target?: string
  readonly version?: string
  /** Field lines behind `Host`. */
  readonly lines?: readonly string[]
  /** Instead of `Host: {authority}`. */
  readonly host?: readonly string[]
  readonly body?: string
}

/** The text of a request. */
function text(parts: Http1Parts): string {
  const {
    method: verb = 'GET',
    target = '{path}',
    version = 'HTTP/1.1',
    host = ['Host: {authority}'],
    lines = [],
    body: content = '',
  } = parts
  return [`${verb} ${target} ${version}`, ...host, ...lines, '', content].join('\r\n')
}

/** More about a case than most need. */
type Extras = Pick<FramingCase, 'leaves' | 'responses' | 'script' | 'upstreams'>

/** Fills in the words, `{hex}` as the length of `smuggled` in base 16, and `{length}` as that of what follows the first empty line. */
function fillRequest(piece: string, words: FramingWords): string {
  const filled = fill(piece, words).replaceAll('{hex}', () => fill(smuggled, words).length.toString(16))
  const bodyAt = filled.indexOf('\r\n\r\n') + 4
  return filled.replaceAll('{length}', () => `${filled.length - bodyAt}`)
}

/** A case over HTTP/1.1. It sends the text, with the words filled in, in one piece or several ones. */
export function h1(
  name: string,
  rule: string,
  send: Http1Parts | string | readonly string[],
  expect: FramingExpectation,
  extras: Extras = {},
): FramingCase {
  const texts = typeof send === 'string' ? [send] : 'length' in send ? send : [text(send)]
  return {
    ...{ name: `h1: ${name}`, rule, front: 'h1', expect, ...extras },
    send: (words) =>
      texts.map(
        (piece): FramingPiece =>
          piece === 'response' || piece === 'upstream' ? piece : Buffer.from(fillRequest(piece, words), 'latin1'),
      ),
  }
}

/** A request over HTTP/2, valid or not. */
export interface Http2Parts {
  /** Replaces pseudo-header fields; `undefined` leaves one out. */
  readonly pseudo?: Readonly<Record<string, string | undefined>>
  /** Fields in front of the pseudo-header fields. */
  readonly first?: readonly FramingField[]
  readonly fields?: readonly FramingField[]
  readonly data?: string
  readonly trailers?: readonly FramingField[]
  /** Whether the trailers end the stream. True by default. */
  readonly ends?: boolean
}

/** A case over HTTP/2. */
export function h2(name: string, rule: string, parts: Http2Parts, expect: FramingExpectation, extras: Extras = {}): FramingCase {
  const { pseudo = {}, first = [], fields = [], data, trailers, ends = true } = parts
  const base = { ':method': 'GET', ':scheme': 'http', ':authority': '{authority}', ':path': '{path}', ...pseudo }
  const all: readonly (readonly [string, string | undefined])[] = [...first, ...Object.entries(base), ...fields]
  return {
    ...{ name: `h2: ${name}`, rule, front: 'h2', expect, ...extras },
    send(words) {
      const section = all.flatMap(([field, value]): FramingField[] => (value === undefined ? [] : [[field, fill(value, words)]]))
      const frames = [writeFieldSection(1, section, data === undefined && trailers === undefined)]
      if (data !== undefined) frames.push(writeData(1, fill(data, words), trailers === undefined))
      if (trailers) frames.push(writeFieldSection(1, trailers, ends))
      return [Buffer.concat(frames)]
    },
  }
}
