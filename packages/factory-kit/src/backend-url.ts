import { accessSync, constants } from 'node:fs'
import { invalidError, type SdError, toSdError } from '@sd/core'
import type { TlsOptions } from '@sd/tls'

/** Options of a backend together with its type. */
export type BackendConfig<Options extends object = Readonly<Record<string, unknown>>> = Readonly<Options> & {
  /** Type of the backend, such as `consul`. */
  readonly type: string
}

/** The option that each part of `type://user:password@host:port/path?namespace=…` sets. */
export interface UrlMapping {
  /** Hosts, as a list of `host:port`. @default a host is the first part of the path */
  readonly hosts?: string
  /** User and password together. @default they are refused, unless there is a `secret` */
  readonly credentials?: string
  /** The password alone, or the user if there is no password. @default see `credentials` */
  readonly secret?: string
  /** The path. @default it is refused */
  readonly path?: UrlPath
  /** Option that separates the users of one backend, for `?namespace=`. @default an option of that name */
  readonly namespace?: { readonly option: string; readonly toValue: (namespace: string) => string }
  /** Options that are lists of texts, which a URL gives with commas. @default none */
  readonly lists?: readonly string[]
}

/** The option that the path of a URL sets. */
export interface UrlPath {
  /** Name of the option. */
  readonly option: string
  /** Whether the path keeps its first and last slash; otherwise it is a name. */
  readonly keepsSlash: boolean
  /** Name of the option for a path that ends with a slash. @default `option` */
  readonly folderOption?: string
}

/** Backends of one kind, as far as their URLs are concerned. */
export interface UrlKind {
  /** Noun for messages, such as `registry`. */
  readonly noun: string
  /** What parts of a URL mean, by type. Other types have `servers` and `credentials`. */
  readonly adapters: Readonly<Record<string, { readonly url: UrlMapping }>>
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
export function parseBackendUrl(url: string, kind: UrlKind): BackendConfig {
  const { adapters } = kind
  const parts = urlPattern.exec(url)?.groups
  // Messages show the host. A password with an unescaped slash or question mark could be parsed as one, so refuse it
  // here.
  if (`${parts?.['path']}${parts?.['query']}`.includes('@')) throw invalidError('url', 'an "@" after the host', percentEncoded)
  if (!parts) throw describeMistake(url, kind)
  const { type = '', login, hosts = '', path = '', query = '' } = parts
  checkSlashes(type, hosts, path, kind)
  for (const host of hosts.split(',')) {
    if (!/^(undefined|null|NaN)(:|$)/.test(host)) continue
    throw invalidError('url', `the host ${host}`, 'a host name or address; is the environment variable set?')
  }
  const mapping = adapters[type]?.url ?? { hosts: 'servers', credentials: 'credentials' }
  const config: Record<string, unknown> = {}
  readHosts(config, mapping, hosts, parts['tls'] !== undefined)
  if (login !== undefined) readLogin(config, mapping, login, kind)
  readPath(config, mapping, hosts, path, kind)
  readQuery(config, mapping, query)
  return { ...config, type }
}

const form = 'type://user:password@host:port/path?option=value'

/**
 * Describes what is wrong with a malformed URL. Shows the text only if it is a type name or a host, because it may
 * contain a password.
 */
function describeMistake(url: string, { adapters }: UrlKind): SdError {
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
function checkSlashes(type: string, hosts: string, path: string, { adapters }: UrlKind): void {
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

function readLogin(config: Record<string, unknown>, { credentials, secret }: UrlMapping, login: string, { noun }: UrlKind): void {
  const [username = '', password = ''] = login.split(/:(.*)/s, 2).map((part) => decode('url login', part))
  if (secret) config[secret] = password === '' ? username : password
  else if (credentials) config[credentials] = { username, password }
  else throw invalidError('url', 'a user', `no user; this ${noun} type does not take credentials`)
}

function readPath(
  config: Record<string, unknown>,
  { path, hosts: hostsOption }: UrlMapping,
  hosts: string,
  rest: string,
  { noun }: UrlKind,
): void {
  // Without a hosts option, the host is the first part of the path: `static://./services.yaml`, `kubernetes://orders`.
  const whole = decode('url path', hostsOption ? rest : hosts + rest)
  if (whole === '' || whole === '/') return
  if (!path) throw invalidError('url', `the path ${whole}`, `no path; this ${noun} type does not take one`)
  const { option, keepsSlash, folderOption = option } = path
  config[whole.endsWith('/') ? folderOption : option] = keepsSlash ? whole : whole.replace(/^\/|\/$/g, '')
}

function readQuery(config: Record<string, unknown>, { namespace, lists = [] }: UrlMapping, query: string): void {
  const tls: { -readonly [Key in keyof TlsOptions]: TlsOptions[Key] } = {}
  for (const [key, text] of new URLSearchParams(query)) {
    const file = tlsFiles[key]
    if (file) tls[file] = { file: checkReadable(key, text) }
    else if (key === 'tls.serverName') tls.serverName = text
    else {
      const isNamespace = key === 'namespace' && namespace !== undefined
      const option = isNamespace ? namespace.option : key
      if (option === 'type' || Object.hasOwn(config, option)) throw invalidError(option, 'two values', 'one value')
      config[option] = isNamespace ? namespace.toValue(text) : lists.includes(key) ? text.split(',') : toValue(text)
    }
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
