import { type Credentials, type Provided, parseJsonObject, resolveProvided, type ServerAddress } from '@sd/adapter-kit'
import { SdError, withTimeout } from '@sd/core'
import { readError } from './nacos-error.ts'
import type { NacosHttp, NacosResponse } from './nacos-http.ts'
import { isWrongLogin } from './server-texts.ts'

/** Holds the access token of a user. */
export interface NacosLogin {
  /** Returns a valid token; logs in on this server if necessary. Concurrent callers share one request. */
  token(endpoint: ServerAddress): Promise<string>
  /** Drops a token that was refused. */
  forget(token: string | undefined): void
}

interface NacosSession {
  readonly token: string
  /** By `performance.now()`, before the token expires. */
  readonly renewAt: number
}

/**
 * How long a first login may be refused before the refusal is final, in milliseconds. Official Nacos 3 reports that it
 * is ready, and then refuses every login with status 403 for 1.5 to 3 s.
 */
const startupMs = 10_000

/** Login paths, newest first. Servers before 3.0 respond 404 to the first. */
const paths = ['/nacos/v3/auth/user/login', '/nacos/v1/auth/login']

/** Options of {@link createNacosLogin}. */
export interface NacosLoginOptions {
  readonly http: NacosHttp
  readonly credentials: Provided<Credentials>
  /** Time limit of one login, in milliseconds. */
  readonly timeoutMs: number
  /** Name of the owner, for messages. */
  readonly name: string
}

/** Creates a login; logs in at first use. The credentials are sent in the body, never in a URL. */
export function createNacosLogin({ http, credentials, timeoutMs, name }: NacosLoginOptions): NacosLogin {
  let session: NacosSession | undefined
  let pending: Promise<NacosSession> | undefined
  let hasLoggedIn = false
  /** When a login was first refused, by `performance.now()`. */
  let refusedAt: number | undefined

  async function ask(endpoint: ServerAddress, signal: AbortSignal): Promise<NacosResponse> {
    const { username, password } = await resolveProvided<Credentials>(credentials)
    let response: NacosResponse = { status: 404, headers: {}, text: '' }
    for (const path of paths) {
      response = await http.send(endpoint, { method: 'POST', path, params: { username, password } }, signal)
      if (readError(name, response)?.code !== 'SD_UNSUPPORTED') break
    }
    return response
  }

  async function logIn(endpoint: ServerAddress, signal: AbortSignal): Promise<NacosSession> {
    const startedAt = performance.now()
    const response = await ask(endpoint, signal)
    const error = readError(name, response)
    if (error) {
      // Do not show the server's text, because it may repeat the credentials.
      const code = isWrongLogin(response) ? 'SD_DENIED' : error.code
      refusedAt ??= startedAt
      // A server that accepted the login before may be starting, or may not have a new password yet. So may a server
      // that has just started. Nacos uses status 500 for any error, so it is never final.
      const retryable = hasLoggedIn || error.retryable || startedAt - refusedAt < startupMs
      const hint = code === 'SD_DENIED' ? ': check user and password in credentials' : ''
      throw new SdError(code, `${name} refused the login with status ${response.status}${hint}`, { retryable })
    }
    const { accessToken, tokenTtl } = parseJsonObject(response.text, `the login response of ${name}`)
    if (typeof accessToken !== 'string') throw new SdError('SD_MALFORMED', `the login response of ${name} without an accessToken`)
    hasLoggedIn = true
    refusedAt = undefined
    const lifetimeMs = (Number(tokenTtl) || 1_800) * 1_000
    return { token: accessToken, renewAt: startedAt + lifetimeMs * 0.8 }
  }

  return {
    async token(endpoint) {
      if (session && performance.now() < session.renewAt) return session.token
      // Shared by several callers, so it does not end with one of them.
      const mine = pending ?? withTimeout({ timeoutMs, what: `${name} login` }, (signal) => logIn(endpoint, signal))
      pending = mine
      try {
        session = await mine
        return session.token
      } finally {
        if (pending === mine) pending = undefined
      }
    },
    forget(token) {
      if (session?.token === token) session = undefined
    },
  }
}
