import { type LookupAddress, lookup } from 'node:dns'
import { Agent, type ClientRequest, type IncomingMessage, type RequestOptions, request as requestHttp } from 'node:http'
import { request as requestHttps, Agent as SecureAgent } from 'node:https'
import { isIP } from 'node:net'
import { createGunzip } from 'node:zlib'
import { abortError, describeThrown, SdError, toSdError, withTimeout } from '@sd/core'
import { createTlsSource, followAgentCertificates, type TlsOptions } from '@sd/tls'
import { checkToken, type FleetToken } from '../options.ts'
import { text } from '../wire/shape.ts'
import { type AllowedNetworks, privateNetworks } from './networks.ts'
import type { Target } from './targets.ts'

/** Most endpoints to which a connection is kept open between two polls. */
const maxKept = 512
/** Longest error body that is read. */
const maxErrorBytes = 64 * 1_024

/** A request to an admin endpoint. */
export interface AdminRequest {
  readonly path: string
  readonly method?: 'GET' | 'POST'
  /** JSON body of a `POST`. */
  readonly body?: unknown
  /** Maximum size of the decoded answer. */
  readonly maxBytes: number
  readonly timeoutMs: number
  /** ETag of the last answer. */
  readonly etag?: string | undefined
  readonly signal?: AbortSignal | undefined
}

/** An answer of an admin endpoint. */
export interface AdminResponse {
  /** The parsed JSON; `undefined` if the endpoint answered 304. */
  readonly body: unknown
  readonly etag: string | undefined
  /** Bytes of the body as they were transferred. */
  readonly bytes: number
}

/** Sends requests to admin endpoints. */
export interface AdminClient {
  /**
   * Sends one request. Redirects are not followed.
   *
   * @throws SdError `SD_UNAVAILABLE` or `SD_TIMEOUT` without an answer; `SD_DENIED` also for an address that may not be asked;
   * `SD_TOO_LARGE`, `SD_MALFORMED`, `SD_NOT_FOUND` and others for answers
   */
  send(target: Target, request: AdminRequest): Promise<AdminResponse>
  /** Closes the connection that is kept open to an endpoint. */
  forget(target: Target): void
  /** Closes all connections. */
  close(): void
}

/** Options of {@link createAdminClient}. */
export interface AdminClientOptions {
  readonly networks: AllowedNetworks
  readonly token: Exclude<FleetToken, string>
  readonly tls: TlsOptions | undefined
  readonly allowInsecure: boolean
  /** Receives failures of `token`, once until it succeeds. */
  readonly onError: (error: SdError) => void
}

/** Creates a client for admin endpoints. Connections to at most 512 endpoints are kept open. */
export function createAdminClient({ networks, token, tls, allowInsecure, onError }: AdminClientOptions): AdminClient {
  const limits = { keepAlive: true, maxSockets: 4, maxFreeSockets: 1, timeout: 60_000 }
  const agent = new Agent(limits)
  const secureAgent = new SecureAgent(limits)
  const certificates = followAgentCertificates(secureAgent, tls && createTlsSource(tls))
  const kept = new Set<string>()
  let isTokenFailing = false

  async function readToken(target: Target): Promise<string | undefined> {
    try {
      const given = await token(target.instances[0]?.service)
      const checked = given === undefined ? undefined : checkToken(given)
      isTokenFailing = false
      return checked
    } catch (cause) {
      if (!isTokenFailing) onError(new SdError('SD_DENIED', 'The option token failed', { cause, origin: 'local' }))
      isTokenFailing = true
      // Without the cause, which may contain a secret: this one is part of the model.
      throw new SdError('SD_DENIED', 'The option token failed', { origin: 'local' })
    }
  }

  async function prepare(target: Target, request: AdminRequest): Promise<RequestOptions> {
    const { host, port, isSecure, origin } = target
    const addresses = isIP(host) === 0 ? await resolveHost(host) : [{ address: host, family: isIP(host) }]
    const allowed = addresses.filter(({ address }) => networks.has(address))
    if (allowed.length === 0) {
      throw new SdError('SD_DENIED', `${addresses[0]?.address ?? host} is not in allowedNetworks`, { origin: 'local' })
    }
    const secret = await readToken(target)
    const isExposed = !isSecure && !allowInsecure && !allowed.every(({ address }) => privateNetworks.has(address))
    if (secret !== undefined && isExposed) {
      throw new SdError('SD_DENIED', `The token is not sent to ${host} over plain HTTP: use tls, or set allowInsecure`, {
        origin: 'local',
      })
    }
    if (isSecure) await certificates.refresh()
    if (kept.size < maxKept) kept.add(origin)
    return {
      host,
      port,
      path: request.path,
      method: request.method ?? 'GET',
      // What was checked is what is connected: a second look-up could have another result.
      lookup: (_, { all }, done) => {
        const [first] = allowed as [LookupAddress]
        if (all) done(null, allowed)
        else done(null, first.address, first.family)
      },
      agent: kept.has(origin) ? (isSecure ? secureAgent : agent) : false,
      headers: headersOf(request, secret),
      ...(isSecure && { ...certificates.latest, ...(tls?.serverName !== undefined && { servername: tls.serverName }) }),
    }
  }

  async function sendOnce(target: Target, request: AdminRequest, signal: AbortSignal): Promise<AdminResponse> {
    const options = await prepare(target, request)
    if (signal.aborted) throw abortError(signal, 'request')
    const { isSecure } = target
    return exchange(() => (isSecure ? requestHttps(options) : requestHttp(options)), request, signal)
  }

  return {
    send(target, request) {
      const { timeoutMs, signal } = request
      return withTimeout({ timeoutMs, signal, what: `The answer of ${target.origin}` }, async (limit) => {
        try {
          return await sendOnce(target, request, limit)
        } catch (error) {
          // The endpoint closed a kept connection at the moment when it was used again.
          if (!(error instanceof SdError && error.cause === closedInBetween)) throw error
          return sendOnce(target, request, limit)
        }
      })
    },
    forget({ origin }) {
      kept.delete(origin)
    },
    close() {
      agent.destroy()
      secureAgent.destroy()
    },
  }
}

function resolveHost(host: string): Promise<readonly LookupAddress[]> {
  return new Promise((resolve, reject) => {
    lookup(host, { all: true }, (error, addresses) => {
      if (error) reject(new SdError('SD_UNAVAILABLE', `${host} can't be resolved (${error.code})`, { cause: error }))
      else resolve(addresses)
    })
  })
}

function headersOf({ body, etag }: AdminRequest, secret: string | undefined): Record<string, string> {
  return {
    accept: 'application/json',
    'accept-encoding': 'gzip',
    ...(secret !== undefined && { authorization: `Bearer ${secret}` }),
    ...(etag !== undefined && { 'if-none-match': etag }),
    ...(body !== undefined && { 'content-type': 'application/json', 'x-sd-console': '1' }),
  }
}

const closedInBetween = Symbol('closed in between')

/** Sends the request and reads its answer. */
function exchange(open: () => ClientRequest, request: AdminRequest, signal: AbortSignal): Promise<AdminResponse> {
  return new Promise((resolve, reject) => {
    const sent = open()
    const onAbort = (): void => void sent.destroy(abortError(signal, 'request'))
    signal.addEventListener('abort', onAbort, { once: true })
    sent.once('close', () => signal.removeEventListener('abort', onAbort))
    sent.on('error', (error: NodeJS.ErrnoException) => {
      const isRace = sent.reusedSocket && error.code === 'ECONNRESET' && request.method !== 'POST'
      reject(
        isRace
          ? new SdError('SD_UNAVAILABLE', 'The connection was closed', { cause: closedInBetween })
          : toSdError(error, 'SD_UNAVAILABLE', 'No answer'),
      )
    })
    sent.on('response', (response) => {
      readResponse(response, request).then(resolve, (error: unknown) => {
        // The rest of the answer is not wanted, so the connection can't be used again.
        sent.destroy()
        reject(error)
      })
    })
    sent.end(request.body === undefined ? undefined : JSON.stringify(request.body))
  })
}

async function readResponse(response: IncomingMessage, { maxBytes, etag }: AdminRequest): Promise<AdminResponse> {
  const { statusCode: status = 0, headers } = response
  if (status === 304 && etag !== undefined) {
    response.resume()
    return { body: undefined, etag, bytes: 0 }
  }
  const isOk = status >= 200 && status < 300
  const { content, bytes } = await readBody(response, isOk ? maxBytes : maxErrorBytes)
  if (!isOk) throw errorOf(status, content)
  try {
    return { body: JSON.parse(content), etag: headers.etag, bytes }
  } catch {
    throw new SdError('SD_MALFORMED', 'The answer is not valid JSON')
  }
}

/** Reads a body, and stops as soon as it is larger than allowed, before or after decompression. */
async function readBody(
  response: IncomingMessage,
  maxBytes: number,
): Promise<{ readonly content: string; readonly bytes: number }> {
  let zipped = 0
  let size = 0
  const chunks: Buffer[] = []
  const isZipped = response.headers['content-encoding'] === 'gzip'
  const body = isZipped ? response.pipe(createGunzip()) : response
  if (isZipped) {
    response.on('data', (chunk: Buffer) => {
      zipped += chunk.length
    })
    response.once('error', (error) => body.destroy(error))
  }
  try {
    for await (const chunk of body) {
      size += (chunk as Buffer).length
      if (size > maxBytes) throw new SdError('SD_TOO_LARGE', `The answer has more than ${maxBytes} bytes`)
      chunks.push(chunk as Buffer)
    }
  } catch (error) {
    if (error instanceof SdError) throw error
    throw new SdError('SD_UNAVAILABLE', `The answer ended early: ${describeThrown(error)}`, { cause: error })
  }
  return { content: Buffer.concat(chunks).toString('utf8'), bytes: isZipped ? zipped : size }
}

/** The error that a status stands for, with the text of the endpoint's own error. */
function errorOf(status: number, body: string): SdError {
  const own = ownError(body)
  const message = `Status ${status}${own === '' ? '' : `: ${own}`}`
  if (status === 401 || status === 403 || status === 421) return new SdError('SD_DENIED', message)
  if (status === 404) return new SdError('SD_NOT_FOUND', message)
  if (status === 405 || status === 501) return new SdError('SD_UNSUPPORTED', message)
  if (status === 409 || status === 412) return new SdError('SD_CONFLICT', message)
  if (status === 400 || status === 422) return new SdError('SD_INVALID', message)
  if (status >= 300 && status < 400) return new SdError('SD_MALFORMED', `${message}: redirects are not followed`)
  return new SdError('SD_HTTP_STATUS', message, { retryable: status === 429 || status >= 500 })
}

function ownError(body: string): string {
  try {
    const { message } = (JSON.parse(body) as { readonly error: { readonly message: unknown } }).error
    return text(message, 'message')
  } catch {
    return ''
  }
}
