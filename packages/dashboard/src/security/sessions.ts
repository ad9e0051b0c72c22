import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { BoundedMap } from '@sd/core'
import type { Principal } from './authentication.ts'
import { isLoopbackHost } from './hosts.ts'

const sessionMs = 8 * 60 * 60 * 1_000
const maxRevoked = 10_000

/** Sessions in signed cookies. The key is made at the start, so a restart ends all sessions. */
export interface Sessions {
  /** The value of `set-cookie` for a new session. */
  create(request: IncomingMessage, principal: Principal): string
  /** The principal of the cookie; `undefined` without a valid one. */
  read(request: IncomingMessage): Principal | undefined
  /** Ends the session of the cookie. @returns the value of `set-cookie` that removes it */
  end(request: IncomingMessage): string
}

/** What a cookie contains. */
interface Ticket {
  readonly id: string
  readonly name: string
  readonly canWrite: boolean
  readonly endsAt: number
}

/** @param now Unix milliseconds */
export function createSessions(now: () => number): Sessions {
  const key = randomBytes(32)
  const revoked = new BoundedMap<string, true>({ maxEntries: maxRevoked })

  const sign = (payload: string): Buffer => createHmac('sha256', key).update(payload).digest()

  function ticketOf(request: IncomingMessage): Ticket | undefined {
    const [payload = '', signature = ''] = cookieOf(request).split('.')
    const [wanted, given] = [sign(payload), Buffer.from(signature, 'base64url')]
    if (wanted.length !== given.length || !timingSafeEqual(wanted, given)) return undefined
    const ticket = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8')) as Ticket
    return ticket.endsAt > now() && !revoked.get(ticket.id) ? ticket : undefined
  }

  return {
    create(request, { name, canWrite = false }) {
      const ticket: Ticket = { id: randomBytes(12).toString('base64url'), name, canWrite, endsAt: now() + sessionMs }
      const payload = Buffer.from(JSON.stringify(ticket)).toString('base64url')
      return writeCookie(request, `${payload}.${sign(payload).toString('base64url')}`, sessionMs / 1_000)
    },
    read(request) {
      const ticket = ticketOf(request)
      return ticket && { name: ticket.name, canWrite: ticket.canWrite }
    },
    end(request) {
      const ticket = ticketOf(request)
      if (ticket) revoked.set(ticket.id, true)
      return writeCookie(request, '', 0)
    },
  }
}

/**
 * Browsers keep a `__Host-` cookie only if it came over TLS. On http to this machine itself the cookie has a plain name, with
 * the port, because all ports of a host share their cookies.
 */
function cookieName(request: IncomingMessage): string {
  return isPlainLoopback(request) ? `sd-${request.socket.localPort ?? 0}` : '__Host-sd'
}

function isPlainLoopback(request: IncomingMessage): boolean {
  return (request.socket as { readonly encrypted?: boolean }).encrypted !== true && isLoopbackHost(request)
}

function writeCookie(request: IncomingMessage, value: string, maxAgeS: number): string {
  const secure = isPlainLoopback(request) ? '' : '; Secure'
  return `${cookieName(request)}=${value}; Path=/; Max-Age=${maxAgeS}; HttpOnly; SameSite=Strict${secure}`
}

function cookieOf(request: IncomingMessage): string {
  const prefix = `${cookieName(request)}=`
  const found = (request.headers.cookie ?? '').split(/;\s*/).find((cookie) => cookie.startsWith(prefix))
  return found?.slice(prefix.length) ?? ''
}
