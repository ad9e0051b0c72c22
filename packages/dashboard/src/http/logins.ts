import type { IncomingMessage, ServerResponse } from 'node:http'
import { toWireError } from '@sd/core'
import type { DashboardAuditEntry } from '../changes/audit.ts'
import type { ResolvedDashboardOptions } from '../options.ts'
import type { SessionAnswer } from '../protocol.ts'
import type { Principal } from '../security/authentication.ts'
import { createLoginLimit } from '../security/login-limit.ts'
import { createSessions } from '../security/sessions.ts'
import { Refusal, readJson, sendJson } from './exchange.ts'

/** Longest user or secret that is checked. */
const longestCredential = 1_000

/** The users: logins, logouts, sessions. */
export interface Logins {
  /** The user of a request; `undefined` without one. */
  identify(request: IncomingMessage): Promise<Principal | undefined>
  /** Whether the session of a request has not ended. */
  isOpen(request: IncomingMessage): boolean
  /** Answers `GET api/session`. */
  describe(request: IncomingMessage, response: ServerResponse): Promise<void>
  /** Answers `POST api/login`, `api/logout` and `api/code`. @throws Refusal */
  post(path: string, request: IncomingMessage, response: ServerResponse): Promise<void>
}

/** @param audit receives logins, refused ones too @param now Unix milliseconds */
export function createLogins(
  { authentication, write, registry, logsLink, traceLink }: ResolvedDashboardOptions,
  audit: (entry: Omit<DashboardAuditEntry, 'at' | 'from'>, request: IncomingMessage) => void,
  now: () => number,
): Logins {
  const sessions = createSessions(now)
  const limit = createLoginLimit(now)
  const { login, enter, renewCode, identify: identifyRequest } = authentication

  async function identify(request: IncomingMessage): Promise<Principal | undefined> {
    return identifyRequest ? identifyRequest(request) : sessions.read(request)
  }

  async function logIn(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const peer = request.socket.remoteAddress
    if (!enter) throw new Refusal(405, 'There is no login on this page', { allow: 'GET, HEAD' })
    if (!limit.allows(peer)) throw new Refusal(429, 'Too many failed logins: wait a second', { 'retry-after': '1' })
    const { user = '', secret = '' } = await readJson(request)
    const isText = typeof user === 'string' && typeof secret === 'string'
    // Noted before the check, so that parallel guesses are limited too. A correct login then counts as well, which five per second allow.
    limit.fail(peer)
    const isShort = isText && user.length <= longestCredential && secret.length <= longestCredential
    const principal = isShort ? await enter({ user, secret }) : undefined
    if (!principal) {
      const error = toWireError(new Refusal(401, 'wrong'))
      audit(
        { by: isText && login === 'password' ? user.slice(0, 255) : '', action: 'login', target: 'dashboard', reason: '', error },
        request,
      )
      throw new Refusal(401, login === 'code' ? 'The code is wrong, used or older than 60 seconds' : 'That is wrong')
    }
    audit({ by: principal.name, action: 'login', target: 'dashboard', reason: '' }, request)
    sendJson(response, {}, { headers: { 'set-cookie': sessions.create(request, principal) } })
  }

  return {
    identify,
    isOpen: (request) => sessions.read(request) !== undefined,
    async describe(request, response) {
      const principal = await identify(request)
      const canWrite = write && principal?.canWrite === true
      const answer: SessionAnswer = {
        login,
        canLogout: enter !== undefined,
        canWrite,
        canDeregister: canWrite && registry !== undefined,
        ...(principal && { user: principal.name, logsLink, traceLink }),
      }
      sendJson(response, answer)
    },
    async post(path, request, response) {
      if (path === 'api/login') return logIn(request, response)
      if (path === 'api/code') {
        if (!renewCode) throw new Refusal(404, 'There are no codes')
        renewCode()
        return sendJson(response, {})
      }
      const principal = await identify(request)
      if (principal) audit({ by: principal.name, action: 'logout', target: 'dashboard', reason: '' }, request)
      sendJson(response, {}, { headers: { 'set-cookie': sessions.end(request) } })
    },
  }
}
