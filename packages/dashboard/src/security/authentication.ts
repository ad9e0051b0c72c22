import type { IncomingMessage } from 'node:http'
import { checkFunction, checkKnownKeys, checkName, checkObject, checkOneOf, invalidError } from '@sd/core'
import { isSameSecret } from './same-secret.ts'
import { createTrustedNetworks } from './trusted-networks.ts'

/** A user. */
export interface Principal {
  /** Name for the audit. */
  readonly name: string
  /** Whether the user may change something, if the option `write` allows changes at all. @default false */
  readonly canWrite?: boolean
}

type Found = Principal | undefined | Promise<Principal | undefined>

/**
 * How users are known:
 *
 * - `token`: one token for all, entered on the page. At least 16 characters.
 * - `password`: a user and a password, entered on the page; `check` decides.
 * - `header`: a reverse proxy authenticates, and names the user in a header field. It is ignored unless the connection comes from an
 *   address in `trust`.
 * - a function: the application decides for each request, such as by its own session. `undefined` refuses.
 */
export type DashboardAuthentication =
  | {
      readonly kind: 'token'
      readonly token: string | (() => string | Promise<string>)
    }
  | {
      readonly kind: 'password'
      readonly check: (user: string, password: string) => Found
    }
  | {
      readonly kind: 'header'
      /** Header field with the name of the user, such as `x-forwarded-user`. */
      readonly user: string
      /** Header field with the groups of the user, separated by commas. @default none */
      readonly groups?: string
      /** Addresses or networks of the proxies, such as `10.0.0.0/8`. */
      readonly trust: readonly string[]
      /** Group that may change something. @default none */
      readonly writeGroup?: string
    }
  | ((request: IncomingMessage) => Found)

/** What a user enters on the page. */
export interface Credentials {
  readonly user: string
  readonly secret: string
}

/** A checked way to authenticate. */
export interface Authentication {
  /** What the page asks for. */
  readonly login: 'password' | 'token' | 'code' | 'none'
  /** The principal of a request without a session; absent if there is a login. */
  readonly identify?: (request: IncomingMessage) => Found
  /** The principal of what was entered on the page; absent without a login. */
  readonly enter?: (credentials: Credentials) => Found
  /** Prints a new code; absent without codes. */
  readonly renewCode?: () => void
}

const shortestToken = 16

/** Checks the option `authenticate`. @throws SdError `SD_INVALID` */
export function resolveAuthentication(given: DashboardAuthentication | undefined): Authentication {
  if (typeof given === 'function') return { login: 'none', identify: given }
  const field = 'authenticate'
  if (given === undefined) throw invalidError(field, given, 'a way to authenticate: token, password, header or a function')
  const kind = checkOneOf(`${field}.kind`, checkObject(field, given)['kind'], ['token', 'password', 'header'])
  if (given.kind === 'token') {
    checkKnownKeys(field, given, ['kind', 'token'])
    const { token } = given
    if (typeof token !== 'function') checkToken(token)
    return {
      login: 'token',
      async enter({ secret }) {
        const wanted = typeof token === 'function' ? await token() : token
        checkToken(wanted)
        return isSameSecret(secret, wanted) ? { name: 'token', canWrite: true } : undefined
      },
    }
  }
  if (given.kind === 'password') {
    checkKnownKeys(field, given, ['kind', 'check'])
    const check = checkFunction(`${field}.check`, given.check)
    return { login: kind === 'password' ? 'password' : 'none', enter: ({ user, secret }) => check(user, secret) }
  }
  return resolveHeader(given)
}

function resolveHeader(given: Extract<DashboardAuthentication, { readonly kind: 'header' }>): Authentication {
  checkKnownKeys('authenticate', given, ['kind', 'user', 'groups', 'trust', 'writeGroup'])
  const user = checkName('authenticate.user', given.user).toLowerCase()
  const groups = given.groups === undefined ? undefined : checkName('authenticate.groups', given.groups).toLowerCase()
  const { writeGroup } = given
  if (writeGroup !== undefined) {
    checkName('authenticate.writeGroup', writeGroup)
    if (groups === undefined) throw invalidError('authenticate.groups', groups, 'a header field, because writeGroup is set')
  }
  const isTrusted = createTrustedNetworks('authenticate.trust', given.trust)
  return {
    login: 'none',
    identify({ socket, headers }) {
      const name = headers[user]
      if (!isTrusted(socket.remoteAddress) || typeof name !== 'string' || name === '') return undefined
      const own = groups === undefined ? '' : String(headers[groups] ?? '')
      const canWrite = writeGroup !== undefined && own.split(',').some((group) => group.trim() === writeGroup)
      return { name: name.slice(0, 255), canWrite }
    },
  }
}

function checkToken(token: unknown): void {
  if (typeof token !== 'string' || token.length < shortestToken)
    throw invalidError('authenticate.token', 'another value', `a text of at least ${shortestToken} characters`)
}
