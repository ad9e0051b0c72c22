import { type Credentials, type Provided, parseJsonObject, resolveProvided, type ServerAddress } from '@sd/adapter-kit'
import { SdError, withTimeout } from '@sd/core'
import { readError } from './nacos-error.ts'
import type { NacosHttp, NacosResponse } from './nacos-http.ts'
import { isWrongLogin } from './server-texts.ts'

/** Holds the access token of a user. */
export interface NacosLogin {
  /** A token that is valid for a while yet, asked of this server if need be; many callers at once make one request. */
  token(endpoint: ServerAddress): Promise<string>
  /** Drops a token that was refused. */
  forget(token: string | undefined): void
}

interface NacosSession {
  readonly token: string
  /** By `performance.now()`, with some time left. */
  readonly renewAt: number
}

/**
 * How long a login that never worked may be refused before that is believed, in milliseconds. Official Nacos 3 says that it is ready, and
 * refuses every login with status 403 for 1.5 to 3 s after that.
 */
const startupMs = 10_000

/** Paths of the login, newest first. Servers before 3.0 answer 404 to the first. */
const paths = ['/nacos/v3/auth/user/login', '/nacos/v1/auth/login']

/** Options of {@link createNacosLogin}. */
export interface NacosLoginOptions {
  readonly http: NacosHttp
  readonly credentials: Provided<Credentials>
  /** Limit of one login, in milliseconds. */
  readonly timeoutMs: number
  /** Name of the owner, for messages. */
  readonly name: string
}

/** Logs in at first use. The credentials travel in the body, never in a URL. */
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
      // The server's text is not shown: it might repeat what it was sent.
      const code = isWrongLogin(response) ? 'SD_DENIED' : error.code
      refusedAt ??= startedAt
      // A server that took the login once, and is starting now or awaits a new secret, may take it again; so may one that has just started.
      // Status 500 is what Nacos says of anything: with it nothing is for good.
      const retryable = hasLoggedIn || error.retryable || startedAt - refusedAt < startupMs
      const hint = code === 'SD_DENIED' ? ': check user and password in credentials' : ''
      throw new SdError(code, `${name} refused the login with status ${response.status}${hint}`, { retryable })
    }
    const { accessToken, tokenTtl } = parseJsonObject(response.text, `the login answer of ${name}`)
    if (typeof accessToken !== 'string') throw new SdError('SD_MALFORMED', `the login answer of ${name} has no accessToken`)
    hasLoggedIn = true
    refusedAt = undefined
    const lifetimeMs = (Number(tokenTtl) || 1_800) * 1_000
    return { token: accessToken, renewAt: startedAt + lifetimeMs * 0.8 }
  }

  return {
    async token(endpoint) {
      if (session && performance.now() < session.renewAt) return session.token
      // Many wait for it, so it ends with no single caller.
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
