import type { IncomingMessage, ServerResponse } from 'node:http'
import { invalidError, readIpAddress, SdError, withTimeout } from '@sd/core'
import type { ChangeRoute } from '../changes/change.ts'
import { changeRoutes, makeChange } from '../changes/make-change.ts'
import { listControls } from '../controls.ts'
import type { Principal, ResolvedAdminOptions } from '../options.ts'
import { ADMIN_PATH, type AdminControl } from '../protocol.ts'
import { readRoutes } from '../reads/routes.ts'
import { readSnapshot, snapshotTag } from '../reads/snapshot.ts'
import type { Recorder } from '../record/recorder.ts'
import { checkSameSite, readBody } from './body.ts'
import type { EventStreams } from './event-stream.ts'
import { AnswerError, COMMON_HEADERS, sendJson } from './responses.ts'

const readLimitMs = 10_000

/** What requests are answered with. */
export interface RouterParts {
  readonly options: ResolvedAdminOptions
  readonly recorder: Recorder
  readonly streams: EventStreams
}

/** A request whose sender is known. */
interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly principal: Principal
  /** Decoded segments of the path. */
  readonly segments: readonly string[]
  readonly query: URLSearchParams
}

/** Answers a request. @throws AnswerError or SdError, which the caller sends */
export async function route(
  { options, recorder, streams }: RouterParts,
  request: IncomingMessage,
  response: ServerResponse,
  principal: Principal,
): Promise<void> {
  const exchange: Exchange = { request, response, principal, ...readTarget(request.url ?? '') }
  const { segments, query } = exchange
  const controls = listControls(options.controls)
  const allowed = principal.isReadOnly ? [] : controls
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    const changed = request.method === 'POST' ? findChange(segments, controls) : undefined
    if (!changed) throw notAllowed(segments, controls)
    checkSameSite(request)
    const from = readIpAddress(request.socket.remoteAddress ?? '') ?? 'unknown'
    const body = await readBody(request)
    await sendJson(request, response, await makeChange(options, recorder.journal, { ...changed, body, principal, from }))
    return
  }
  const [first] = segments
  if (segments.length === 1 && first === 'events') {
    checkQuery(query, [])
    streams.open(request, response)
    return
  }
  if (segments.length === 1 && first === 'snapshot') {
    checkQuery(query, [])
    await sendSnapshot({ options, recorder, streams }, exchange, allowed)
    return
  }
  for (const { path, query: known, read } of readRoutes) {
    const found = match(path, segments)
    if (!found) continue
    const asked = checkQuery(query, known)
    const answer = await withTimeout({ timeoutMs: readLimitMs, what: 'Reading' }, async (signal) =>
      read({ options, recorder, controls: allowed, segments: found, query: asked, signal }),
    )
    return sendJson(request, response, answer)
  }
  throw new SdError('SD_NOT_FOUND', 'There is nothing at this path')
}

async function sendSnapshot(
  { options, recorder }: RouterParts,
  { request, response }: Exchange,
  controls: readonly AdminControl[],
): Promise<void> {
  const snapshot = await readSnapshot(options, recorder, controls)
  const etag = snapshotTag(snapshot)
  const known = request.headers['if-none-match']?.split(',').map((tag) => tag.trim())
  if (known?.includes(etag)) response.writeHead(304, { ...COMMON_HEADERS, etag }).end()
  else await sendJson(request, response, snapshot, { headers: { etag } })
}

function readTarget(url: string): Pick<Exchange, 'segments' | 'query'> {
  const [path = '', query] = url.split('?', 2)
  try {
    const below = path
      .slice(ADMIN_PATH.length)
      .split('/')
      .filter((segment) => segment !== '')
    return { segments: below.map(decodeURIComponent), query: new URLSearchParams(query) }
  } catch {
    throw invalidError('path', 'a malformed escape', 'a path that is encoded in UTF-8')
  }
}

function checkQuery(query: URLSearchParams, known: readonly string[]): Readonly<Record<string, string>> {
  for (const name of query.keys()) {
    if (!known.includes(name)) throw invalidError('query', name, known.length > 0 ? `only ${known.join(', ')}` : 'no query')
  }
  return Object.fromEntries(query)
}

function findChange(
  segments: readonly string[],
  controls: readonly AdminControl[],
): { readonly route: ChangeRoute; readonly segments: readonly string[] } | undefined {
  for (const candidate of changeRoutes) {
    const found = match(candidate.path, segments)
    if (found && controls.includes(candidate.control)) return { route: candidate, segments: found }
  }
  return undefined
}

/** The error for a method other than GET: a change without its control does not exist. */
function notAllowed(segments: readonly string[], controls: readonly AdminControl[]): AnswerError {
  const control = changeRoutes.find(({ path }) => match(path, segments))?.control
  const isMissing = control !== undefined && !controls.includes(control)
  const text = isMissing ? `This process has no control ${control}: hand it over in the option controls` : 'This can only be read'
  return new AnswerError(405, new SdError('SD_UNSUPPORTED', text), { allow: 'GET, HEAD' })
}

/** The variable segments of a path, or `undefined` if it does not match. */
function match(pattern: readonly string[], segments: readonly string[]): readonly string[] | undefined {
  const needed = pattern.filter((part) => part !== '?').length
  if (segments.length < needed || segments.length > pattern.length) return undefined
  const found: string[] = []
  for (const [index, segment] of segments.entries()) {
    const part = pattern[index]
    if (part === '*' || part === '?') found.push(segment)
    else if (part !== segment) return undefined
  }
  return found
}
