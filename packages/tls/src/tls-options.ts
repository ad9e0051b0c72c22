import { checkKnownKeys, checkObject, checkText, describeThrown, invalidError, SdError } from '@sd/core'

/** Certificates or a key as PEM: the text, a function that returns it, or the file that has it. */
export type PemSource = string | (() => string | Promise<string>) | PemFile

/** A file that is read again whenever a connection is made. */
export interface PemFile {
  /** Its path. */
  readonly file: string
}

/**
 * How to encrypt and authenticate connections. Functions are called and files are read again when a connection is made, so that
 * certificates rotate without a restart; connections that are open stay.
 */
export interface TlsOptions {
  /** Certificates of the authorities that may have signed the server's. @default those that Node trusts */
  readonly ca?: PemSource
  /** Client certificate, with `key`. */
  readonly cert?: PemSource
  /** Private key of the client certificate. */
  readonly key?: PemSource
  /** Name that the server's certificate must have. @default the host of the endpoint */
  readonly serverName?: string
}

/** The PEM texts of TLS options as they are now. */
export interface TlsCertificates {
  /** See {@link TlsOptions.ca}. */
  readonly ca?: string
  /** See {@link TlsOptions.cert}. */
  readonly cert?: string
  /** See {@link TlsOptions.key}. */
  readonly key?: string
}

/** Metadata of an instance that names what its certificate is for, where it is not its address. */
export const SERVER_NAME_METADATA = 'tls-server-name'

const pemKeys = ['ca', 'cert', 'key'] as const

/** Returns `value` if it is TLS options, else throws `SD_INVALID` without showing a key. */
export function checkTls(field: string, value: unknown): TlsOptions {
  if (typeof value === 'string') throw invalidError(field, 'a text', 'an object')
  const tls = checkObject(field, value)
  checkKnownKeys(field, tls, [...pemKeys, 'serverName'])
  for (const key of pemKeys) if (tls[key] !== undefined) checkPemSource(`${field}.${key}`, tls[key])
  if ((tls['cert'] === undefined) !== (tls['key'] === undefined)) throw invalidError(field, 'one of cert and key', 'both or none')
  if (tls['serverName'] !== undefined) checkText(`${field}.serverName`, tls['serverName'], 253)
  return value as TlsOptions
}

/** Returns `value` if it is PEM text, a function or `{ file }`, else throws `SD_INVALID` without showing it. */
export function checkPemSource(field: string, value: unknown): PemSource {
  if (typeof value === 'function') return value as PemSource
  if (typeof value !== 'object' || value === null) return checkPem(field, value)
  checkKnownKeys(field, value, ['file'])
  checkText(`${field}.file`, (value as PemFile).file, 4_096)
  return value as PemFile
}

function checkPem(field: string, value: unknown): string {
  if (typeof value === 'string' && value.includes('-----BEGIN ')) return value
  throw invalidError(
    field,
    `a value of type ${typeof value}`,
    'PEM text with "-----BEGIN", a function that returns it, or { file }',
  )
}

/** What {@link createTlsSource} returns. */
export interface TlsSource {
  /**
   * The certificates as they are now; the same object for as long as none has changed.
   *
   * @throws SdError of local origin that names the option: `SD_UNAVAILABLE` if a file can't be read or a function fails, `SD_INVALID` for
   * what is not PEM. It is `retryable`, because a file may be read while it is written
   */
  current(): Promise<TlsCertificates>
  /** Looks again at the next `current()`, however short ago the last look was: after a connection was refused. */
  forget(): void
}

/**
 * Follows the certificates of TLS options.
 *
 * @param options checked by {@link checkTls}
 * @param maxAgeMs how long what was read stays in use without another look, in milliseconds
 */
export function createTlsSource(options: TlsOptions, maxAgeMs: number = 1_000): TlsSource {
  let latest: TlsCertificates = {}
  let look: { readonly at: number; readonly result: Promise<TlsCertificates> } | undefined

  async function read(): Promise<TlsCertificates> {
    const read: { -readonly [Key in keyof TlsCertificates]: string } = {}
    await Promise.all(
      pemKeys.map(async (key) => {
        const source = options[key]
        if (source !== undefined) read[key] = await readPem(key, source)
      }),
    )
    if (pemKeys.some((key) => read[key] !== latest[key])) latest = read
    return latest
  }

  return {
    current() {
      const now = performance.now()
      if (look && now - look.at < maxAgeMs) return look.result
      const result = read()
      const mine = { at: now, result }
      look = mine
      result.catch(() => {
        if (look === mine) look = undefined
      })
      return result
    },
    forget() {
      look = undefined
    },
  }
}

async function readPem(key: string, source: PemSource): Promise<string> {
  const field = `tls.${key}`
  try {
    return checkPem(field, await readSource(source))
  } catch (cause) {
    const isInvalid = cause instanceof SdError && cause.field === field
    const what =
      typeof source === 'object'
        ? `the file can't be read (${(cause as { code?: unknown }).code})`
        : `the function failed: ${describeThrown(cause)}`
    throw new SdError(isInvalid ? 'SD_INVALID' : 'SD_UNAVAILABLE', isInvalid ? cause.message : `${field}: ${what}`, {
      cause,
      field,
      origin: 'local',
      retryable: true,
    })
  }
}

async function readSource(source: PemSource): Promise<string> {
  if (typeof source === 'function') return source()
  if (typeof source === 'string') return source
  // Only where it is needed: core runs where there are no files too.
  const { readFile } = await import('node:fs/promises')
  return readFile(source.file, 'utf8')
}
