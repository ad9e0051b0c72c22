import assert from 'node:assert/strict'
import { eventually } from '../waiting.ts'
import type {
  FramingCase,
  FramingObservation,
  FramingProtocol,
  FramingWords,
  FrontAnswer,
  FrontResponse,
  SeenRequest,
} from './framing-case.ts'
import { echoOf, type FramingAddress, type FramingUpstream } from './framing-upstream.ts'
import { sendHttp1, sendHttp2 } from './front-client.ts'
import { writeFieldSection } from './http2-frames.ts'

/** The front under test, and the upstream to which it forwards everything. */
export interface FramingTarget {
  /** Where the front accepts clear connections: with HTTP/1.1, or with HTTP/2 and prior knowledge. */
  readonly front: FramingAddress
  readonly upstream: FramingUpstream
  /** Authority of the requests. @default 'framing.test' */
  readonly authority?: string
  /** Longest wait for one response. @default 5000 */
  readonly limitMs?: number
}

/** The result of one run of a case. */
export interface FramingResult extends FramingObservation {
  /** What the case forbids and the front has done, one sentence each. Empty if the front keeps the rule. */
  readonly problems: readonly string[]
}

let runs = 0

/**
 * Sends what a case has to send, then a valid request on a new connection, and compares what the front and the upstream did with what the case allows.
 * Runs that share an upstream must not overlap.
 */
export async function runFramingCase(framingCase: FramingCase, target: FramingTarget): Promise<FramingResult> {
  const { upstream, limitMs = 5_000, authority = 'framing.test' } = target
  const words: FramingWords = { path: `/framing/${++runs}`, authority }
  const { front, expect, script, responses = 1, leaves = false } = framingCase
  upstream.begin(script)
  const pieces = framingCase.send(words)
  const answer = await (front === 'h1' ? sendHttp1 : sendHttp2)(target.front, {
    ...{ pieces, responses, leaves, limitMs },
    closesAfter: expect.closes ? expect.answers : [],
    isHead: isHead(pieces),
    upstreamHead: () => eventually(() => assert(upstream.requests().length > 0), 1_000).catch(() => undefined),
  })
  if (script?.later !== undefined) await upstream.sendLater()
  const next = await sendNext(front, target.front, words, limitMs)
  const after = `${words.path}/after`
  const isNext = ({ target: path }: SeenRequest): boolean => path.includes(after)
  const unfinished = await eventually(() => assert.equal(upstream.unfinished().length, 0), limitMs).then(
    () => [],
    () => upstream.unfinished(),
  )
  const all = upstream.requests()
  const seen = all.filter((request) => !isNext(request))
  const observation: FramingObservation = {
    ...answer,
    seen,
    next: next.responses[0],
    seenNext: all.find(isNext),
  }
  const problems = [
    ...judgeAnswer(framingCase, observation),
    ...judgeSeen(framingCase, seen),
    ...upstream.problems(),
    ...judgeNext(observation.next, all.filter(isNext)),
    ...unfinished.map((octets) => `an upstream connection stays open inside of a request: ${JSON.stringify(octets.slice(-120))}`),
  ]
  const own = expect.check?.(observation, words)
  return { ...observation, problems: own === undefined ? problems : [...problems, own] }
}

function isHead(pieces: ReturnType<FramingCase['send']>): boolean {
  const [first] = pieces
  return typeof first === 'object' && Buffer.from(first.subarray(0, 5)).toString('latin1') === 'HEAD '
}

/** Sends a valid request on a connection of its own. */
export function sendNext(
  front: FramingProtocol,
  address: FramingAddress,
  { path, authority }: FramingWords,
  limitMs: number,
): Promise<FrontAnswer> {
  const rest = { responses: 1, closesAfter: [], leaves: false, isHead: false, limitMs, upstreamHead: async () => undefined }
  if (front === 'h1') {
    const request = `GET ${path}/after HTTP/1.1\r\nHost: ${authority}\r\n\r\n`
    return sendHttp1(address, { ...rest, pieces: [Buffer.from(request, 'latin1')] })
  }
  const fields = Object.entries({ ':method': 'GET', ':scheme': 'http', ':authority': authority, ':path': `${path}/after` })
  return sendHttp2(address, { ...rest, pieces: [writeFieldSection(1, fields, true)] })
}

function judgeAnswer({ expect, leaves }: FramingCase, { responses, closed, rest }: FramingObservation): readonly string[] {
  if (leaves) return []
  const problems = rest === '' ? [] : [`the front sends octets behind its response: ${JSON.stringify(rest.slice(0, 120))}`]
  const got = responses[0]?.status ?? (closed ? 'closed' : 'nothing')
  if (!expect.answers.some((one) => one === got)) problems.push(`the front responds ${got}, want ${expect.answers.join(' or ')}`)
  else if (expect.closes && !closed)
    problems.push(`the front keeps the connection after ${got}: the next request may begin anywhere`)
  return problems
}

function judgeSeen({ expect }: FramingCase, seen: readonly SeenRequest[]): readonly string[] {
  const problems: string[] = []
  const complete = seen.filter((request) => request.complete)
  const most = typeof expect.upstream === 'number' ? expect.upstream : 0
  const list = (requests: readonly SeenRequest[]): string =>
    requests.map(({ method, target }) => `${method} ${target}`.slice(0, 80)).join(', ')
  if (complete.length > most) problems.push(`the upstream received ${list(complete)}, want at most ${most} complete requests`)
  else if (expect.upstream === 'nothing' && seen.length > 0) problems.push(`the upstream received ${list(seen)}, want nothing`)
  const smuggled = seen.filter(({ target }) => target.includes('/smuggled'))
  if (smuggled.length > 0) problems.push(`a request inside of another one reached the upstream: ${list(smuggled)}`)
  return problems
}

/** What is wrong with the response to a valid request, given what the upstream received of it. */
export function judgeNext(next: FrontResponse | undefined, arrived: readonly SeenRequest[]): readonly string[] {
  const own = arrived.filter(({ method, complete }) => method === 'GET' && complete)
  const problems: string[] = []
  if (own.length !== 1) problems.push(`the upstream received the next request ${own.length} times, want once`)
  if (next?.status !== 200 || next.body !== echoOf('GET', own[0]?.target ?? '')) {
    problems.push(
      `the next request gets a response that is not its own: ${next ? `${next.status} ${JSON.stringify(next.body.slice(0, 80))}` : 'none'}`,
    )
  }
  return problems
}
