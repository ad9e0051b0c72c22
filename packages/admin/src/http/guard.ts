import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { BoundedMap, readIpAddress, readIpNetwork, SdError, withTimeout } from '@sd/core'
import { checkToken, type Principal, type ResolvedAdminOptions, type TokenAuthentication } from '../options.ts'
import { AnswerError } from './responses.ts'

/** Failed attempts of one address within a second, after which it has to wait. */
const maxFailures = 5
const windowMs = 1_000
/** Addresses whose failures are remembered. */
const maxAddresses = 10_000
const authenticateLimitMs = 5_000
/** What proxies add. A request of the machine itself has none of them. */
const proxyHeaders = ['forwarded', 'x-forwarded-for', 'x-forwarded-host', 'x-real-ip', 'via']

/** Decides whether a request is answered. */
export interface Guard {
  /** Returns the principal of the request. @throws AnswerError 421, 429 or 401 */
  admit(request: IncomingMessage): Promise<Principal>
}

/** Creates the guard of an endpoint. */
export function createGuard({ authenticate, hosts }: ResolvedAdminOptions): Guard {
  const failures = new BoundedMap<string, number[]>({ maxEntries: maxAddresses, idleMs: windowMs })

  function checkFailures(address: string): void {
    const recent = failures.get(address)
    if (recent && recent.length >= maxFailures && performance.now() - (recent[0] as number) < windowMs) {
      const error = new SdError('SD_DENIED', `More than ${maxFailures} failed attempts in a second: wait`, { retryable: true })
      throw new AnswerError(429, error, { 'retry-after': '1' })
    }
  }
  function noteFailure(address: string): void {
    const recent = [...(failures.get(address) ?? []), performance.now()].slice(-maxFailures)
    failures.set(address, recent)
  }

  async function identify(request: IncomingMessage): Promise<Principal | undefined> {
    if (authenticate === 'loopback') return isLocal(request) ? { name: 'loopback' } : undefined
    const limits = { timeoutMs: authenticateLimitMs, what: 'Authenticating' }
    if (typeof authenticate === 'function') return withTimeout(limits, async () => authenticate(request))
    return withTimeout(limits, () => checkBearer(request, authenticate))
  }

  return {
    async admit(request) {
      checkHost(request, hosts)
      const address = readIpNetwork(request.socket.remoteAddress ?? '') ?? 'unknown'
      checkFailures(address)
      const principal = await identify(request).catch((cause: unknown) => {
        // What failed may quote a secret, so its message stays inside.
        const code = cause instanceof SdError ? ` (${cause.code})` : ''
        throw new AnswerError(503, new SdError('SD_UNAVAILABLE', `The option authenticate failed${code}`, { origin: 'local' }))
      })
      // Again, because others may have failed in the meantime.
      checkFailures(address)
      if (principal) return principal
      noteFailure(address)
      const want = authenticate === 'loopback' ? 'a direct connection from this machine' : 'valid credentials'
      throw new AnswerError(401, new SdError('SD_DENIED', `This endpoint needs ${want}`), { 'www-authenticate': 'Bearer' })
    },
  }
}

/** Compares digests, so that neither length nor content of the token shows in the time it takes. */
async function checkBearer(
  request: IncomingMessage,
  { token, name = 'token' }: TokenAuthentication,
): Promise<Principal | undefined> {
  const expected = typeof token === 'function' ? checkToken('authenticate.token', await token()) : token
  const [, given = ''] = /^bearer +(\S+)$/i.exec(request.headers.authorization ?? '') ?? []
  return timingSafeEqual(digest(given), digest(expected)) ? { name } : undefined
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

/** Whether a request comes from this machine itself, and not through a proxy on it. */
function isLocal({ socket, headers }: IncomingMessage): boolean {
  return isLoopback(socket.remoteAddress ?? '') && !proxyHeaders.some((name) => headers[name] !== undefined)
}

/**
 * A page in a browser can let a name of its own point at this endpoint (DNS rebinding). The browser then sends that name as
 * `Host`. Names of this machine and the address of the connection itself can't be used that way.
 */
function checkHost({ headers, socket }: IncomingMessage, hosts: ReadonlySet<string>): void {
  const given = (headers.host ?? String(headers[':authority'] ?? '')).toLowerCase()
  const name = given.replace(/:\d*$/, '')
  const local = readIpAddress(socket.localAddress ?? '')
  const isOwn = isLoopback(name) || (local !== undefined && readIpAddress(name) === local)
  if (isOwn || hosts.has(name) || hosts.has(given)) return
  throw new AnswerError(
    421,
    new SdError(
      'SD_DENIED',
      `The host ${JSON.stringify(name.slice(0, 255))} is not accepted: add it to the option hosts of @sd/admin if this endpoint is reached by that name`,
    ),
  )
}

/** Whether a host is this machine itself: a name or an IP address, in any spelling. */
export function isLoopback(host: string): boolean {
  if (host === 'localhost') return true
  // Of addresses only: `127.example.com` is a name that anyone can own.
  const address = readIpAddress(host)
  return address === '::1' || address?.startsWith('127.') === true
}
