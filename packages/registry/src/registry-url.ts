import { accessSync, constants } from 'node:fs'
import { invalidError, type SdError, toSdError } from '@sd/core'
import type { TlsOptions } from '@sd/tls'
import { adapters, type UrlMapping } from './adapters.ts'

/**
 * Options of a registry together with its type. Give the adapter's type of options to have them checked by the
 * compiler: `RegistryConfig<ConsulRegistryOptions>`.
 */
export type RegistryConfig<Options extends object = Readonly<Record<string, unknown>>> = Readonly<Options> & {
  /**
   * Type of the registry: `consul`, `etcd`, `zookeeper`, `nacos`, `kubernetes`, `dns`, `static`, `memory`, `failover`,
   * or one of your own.
   */
  readonly type: string
}

const urlPattern =
  /^(?<type>[a-z][a-z0-9-]*)(?<tls>\+tls)?:(?:\/\/(?:(?<login>[^@/?#]*)@)?(?<hosts>[^/?#]*))?(?<path>[^?#]*)(?:\?(?<query>[^#]*))?$/

const percentEncoded = 'user, password and options percent-encoded'

/** TLS options that a URL gives as file paths. The files are read again for each connection. */
const tlsFiles: Readonly<Record<string, 'ca' | 'cert' | 'key'>> = { 'tls.ca': 'ca', 'tls.cert': 'cert', 'tls.key': 'key' }

/**
 * Parses `type[+tls]://[user[:password]@]host[:port][,host…][/path][?option=value&…]`. Numbers, `true` and `false` are
 * converted. `tls.ca`, `tls.cert` and `tls.key` are paths of PEM files.
 *
 * @throws SdError `SD_INVALID` that names the part and never contains the user or password
 */
export function parseRegistryUrl(url: string): RegistryConfig {
  const parts = urlPattern.exec(url)?.groups
  // Messages show the host. A password with an unescaped slash or question mark could be parsed as one, so refuse it
  // here.
  if (`${parts?.['path']}${parts?.['query']}`.includes('@')) throw invalidError('url', 'an "@" after the host', percentEncoded)
  if (!parts) throw describeMistake(url)
  const { type = '', login, hosts = '', path = '', query = '' } = parts
  checkSlashes(type, hosts, path)
  for (const host of hosts.split(',')) {
    if (!/^(undefined|null|NaN)(:|$)/.test(host)) continue
    throw invalidError('url', `the host ${host}`, 'a host name or address; is the environment variable set?')
  }
  const mapping = adapters[type]?.url ?? { hosts: 'servers', credentials: 'credentials' }
  const config: Record<string, unknown> = {}
  readHosts(config, mapping, hosts, parts['tls'] !== undefined)
  if (login !== undefined) readLogin(config, mapping, login)
  readPath(config, mapping, path, hosts)
  readQuery(config, mapping, query)
  return { ...config, type }
}

const form = 'type://user:password@host:port/path?option=value'

/**
 * Describes what is wrong with a malformed URL. Shows the text only if it is a type name or a host, because it may
 * contain a password.
 */
function describeMistake(url: string): SdError {
  const lower = url.toLowerCase()
  const type = Object.keys(adapters).find(
    (name) => lower === name || lower.startsWith(`${name}:`) || lower.startsWith(`${name}+`),
  )
  if (type === undefined) {
    const isHost = /^[\w.-]+(:\d+)?$/.test(url)
    return isHost
      ? invalidError('url', url, `the type in front, such as consul://${url}`)
      : invalidError('url', 'a malformed URL', form)
  }
  if (lower !== type) return invalidError('url', 'a malformed URL', lower === url ? form : `${form}, with the type in lower case`)
  return invalidError('url', url, adapters[type]?.url.hosts ? `${type}://host:port` : `${type}:`)
}

/**
 * Refuses URLs without `//`, such as `consul:10.0.0.1:8500` and `consul:/10.0.0.1:8500`, and without a type, such as
 * `localhost:8500`.
 */
function checkSlashes(type: string, hosts: string, path: string): void {
  if (hosts !== '') return
  if (!adapters[type] && /^\d+$/.test(path))
    throw invalidError('url', `${type}:${path}`, `the type in front, such as consul://${type}:${path}`)
  const [, host] = /^\/?([^/]+)$/.exec(path) ?? []
  const isMeant = host !== undefined && (!path.startsWith('/') || /:\d+$/.test(host))
  if (adapters[type]?.url.hosts && isMeant)
    throw invalidError('url', `${type}:${path}`, `${type}://${host}, with two slashes before the host`)
}

function readHosts(config: Record<string, unknown>, { hosts: option }: UrlMapping, hosts: string, isSecure: boolean): void {
  if (hosts !== '' && option) config[option] = hosts.split(',').map((host) => (isSecure ? `https://${host}` : host))
}

function readLogin(config: Record<string, unknown>, { credentials, secret }: UrlMapping, login: string): void {
  const [username = '', password = ''] = login.split(/:(.*)/s, 2).map((part) => decode('url login', part))
  if (secret) config[secret] = password === '' ? username : password
  else if (credentials) config[credentials] = { username, password }
  else throw invalidError('url', 'a user', 'no user; this registry type does not take credentials')
}

function readPath(config: Record<string, unknown>, { path, hosts: hostsOption }: UrlMapping, rest: string, hosts: string): void {
  // Without a hosts option, the host is the first part of the path: `static://./services.yaml`, `kubernetes://orders`.
  const whole = decode('url path', hostsOption ? rest : hosts + rest)
  if (whole === '' || whole === '/') return
  if (!path) throw invalidError('url', `the path ${whole}`, 'no path; this registry type does not take one')
  config[path.option] = path.keepsSlash ? whole : whole.replace(/^\/|\/$/g, '')
}

function readQuery(config: Record<string, unknown>, { namespace }: UrlMapping, query: string): void {
  const tls: { -readonly [Key in keyof TlsOptions]: TlsOptions[Key] } = {}
  for (const [key, text] of new URLSearchParams(query)) {
    const file = tlsFiles[key]
    if (file) tls[file] = { file: checkReadable(key, text) }
    else if (key === 'tls.serverName') tls.serverName = text
    else if (key === 'namespace' && namespace) config[namespace.option] = namespace.toValue(text)
    else if (key === 'type' || key in config) throw invalidError(key, 'two values', 'one value')
    else config[key] = toValue(text)
  }
  if (Object.keys(tls).length > 0) config['tls'] = tls
}

function toValue(text: string): unknown {
  if (text === 'true' || text === 'false') return text === 'true'
  return /^-?\d{1,15}(\.\d+)?$/.test(text) ? Number(text) : text
}

/** Checks that a file is readable, so that a wrong path fails now and not at the first connection. */
function checkReadable(option: string, path: string): string {
  try {
    accessSync(path, constants.R_OK)
    return path
  } catch (error) {
    throw toSdError(error, 'SD_INVALID', `Invalid ${option}: the file is not readable`)
  }
}

function decode(what: string, text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw invalidError(what, 'an invalid % escape', 'percent-encoded text')
  }
}
