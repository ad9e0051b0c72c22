import { checkKnownKeys, checkObject, invalidError } from '@sd/core'
import { checkTls, type TlsOptions } from '@sd/tls'

/** User and password for a backend. They never appear in a message. */
export interface Credentials {
  /** Name of the user. */
  readonly username: string
  /** Password of the user. */
  readonly password: string
}

/** Address of one server of a backend. */
export interface ServerAddress {
  /** Whether it was given with `https://`. */
  readonly secure: boolean
  /** Host name or IP address; IPv6 without brackets. */
  readonly host: string
  /** TCP port. */
  readonly port: number
}

const serverPattern = /^(?:(https?):\/\/)?(?:\[([0-9a-f:.]+)\]|([a-z0-9_](?:[a-z0-9._-]*)))(?::(\d{1,5}))?\/?$/i

/**
 * Parses a list of servers, such as `['10.0.0.1:2379', 'https://etcd.example']`.
 *
 * @throws SdError `SD_INVALID` that names the field; the message omits the text if it may contain a password
 */
export function checkServerAddresses(field: string, value: unknown, defaultPort: number): readonly ServerAddress[] {
  if (!Array.isArray(value) || value.length === 0 || value.length > 64) {
    throw invalidError(field, value, 'an array of 1 to 64 servers such as "host:port"')
  }
  return value.map((one: unknown, index) => {
    const match = typeof one === 'string' ? serverPattern.exec(one) : null
    const port = Number(match?.[4] ?? defaultPort)
    if (!match || port < 1 || port > 65_535) {
      const shown = typeof one === 'string' && one.includes('@') ? 'a string with "@"' : one
      throw invalidError(`${field}[${index}]`, shown, 'host:port or http(s)://host:port, without credentials')
    }
    return { secure: match[1]?.toLowerCase() === 'https', host: match[2] ?? (match[3] as string), port }
  })
}

/** The servers of a client. */
export interface ServerOptions {
  /** Servers: `host:port`, or `https://host:port` for TLS. @default the adapter's own */
  readonly servers?: readonly string[] | undefined
  /** Certificates for TLS. @default those of Node */
  readonly tls?: TlsOptions | undefined
}

/**
 * Checks the servers of a client that uses the same credentials and the same encryption for all of them.
 *
 * @param fallback the server if none is given
 * @throws SdError `SD_INVALID` that names the option; also if only some servers use `https://`, or if `tls` is given and
 * none does
 */
export function checkServers(
  { servers: given, tls }: ServerOptions,
  fallback: { readonly host: string; readonly port: number },
): { readonly servers: readonly ServerAddress[]; readonly tls: TlsOptions | undefined } {
  const servers = checkServerAddresses('servers', given ?? [`${fallback.host}:${fallback.port}`], fallback.port)
  if (servers.some(({ secure }) => secure !== servers[0]?.secure)) {
    throw invalidError('servers', 'http and https', 'one scheme for all, because they share credentials')
  }
  if (tls && !servers[0]?.secure) throw invalidError('servers', 'no https', 'https:// servers, because tls is given')
  return { servers, tls: tls && checkTls('tls', tls) }
}

/** Returns the server's URL, `http(s)://host:port`. */
export function serverUrl({ secure, host, port }: ServerAddress): string {
  return `${secure ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${port}`
}

/** Returns `value` if it is a user and a password; otherwise throws `SD_INVALID` without showing either. */
export function checkCredentials(field: string, value: unknown): Credentials {
  const credentials = checkSecretObject(field, value)
  checkKnownKeys(field, credentials, ['username', 'password'])
  for (const key of ['username', 'password'] as const) checkSecret(`${field}.${key}`, credentials[key])
  return value as Credentials
}

/** Like `checkObject`, for values that must not be shown. */
function checkSecretObject(field: string, value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value === 'string') throw invalidError(field, 'a string', 'an object')
  return checkObject(field, value)
}

/** Returns `value` if it is a string of 1 to 4,096 characters; otherwise throws `SD_INVALID` without showing it. */
export function checkSecret(field: string, value: unknown): string {
  if (typeof value === 'string' && value.length > 0 && value.length <= 4_096) return value
  throw invalidError(field, typeof value === 'string' ? `${value.length} characters` : typeof value, '1 to 4096 characters')
}
