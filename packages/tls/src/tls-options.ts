import { checkKnownKeys, checkObject, checkText, describeThrown, invalidError, SdError } from '@sd/core'

/** Certificates or a key as PEM: the text, a function that returns it, or a file. */
export type PemSource = string | (() => string | Promise<string>) | PemFile

/** A file that is read again when a connection is made. */
export interface PemFile {
  /** Path of the file. */
  readonly file: string
}

/**
 * How to encrypt and authenticate connections. Functions are called and files are read again when a connection is made,
 * so that certificates can be rotated without a restart. Open connections are not affected.
 */
export interface TlsOptions {
  /** Certificates of the authorities that may sign the server's certificate. @default those that Node trusts */
  readonly ca?: PemSource
  /** Client certificate, together with `key`. @default none */
  readonly cert?: PemSource
  /** Private key of the client certificate. @default none */
  readonly key?: PemSource
  /** Name that the server's certificate must have. @default the host of the server's address */
  readonly serverName?: string
}

/** The current PEM texts of TLS options. */
export interface TlsCertificates {
  /** See {@link TlsOptions.ca}. */
  readonly ca?: string
  /** See {@link TlsOptions.cert}. */
  readonly cert?: string
  /** See {@link TlsOptions.key}. */
  readonly key?: string
}

/** Metadata key of an instance whose certificate is for another name than its address. */
export const SERVER_NAME_METADATA = 'tls-server-name'

const pemKeys = ['ca', 'cert', 'key'] as const

/** Returns `value` if it is valid TLS options; otherwise throws `SD_INVALID` without showing a key. */
export function checkTls(field: string, value: unknown): TlsOptions {
  if (typeof value === 'string') throw invalidError(field, 'a string', 'an object')
  const tls = checkObject(field, value)
  checkKnownKeys(field, tls, [...pemKeys, 'serverName'])
  for (const key of pemKeys) if (tls[key] !== undefined) checkPemSource(`${field}.${key}`, tls[key])
  if ((tls['cert'] === undefined) !== (tls['key'] === undefined)) throw invalidError(field, 'one of cert and key', 'both or none')
  if (tls['serverName'] !== undefined) checkText(`${field}.serverName`, tls['serverName'], 253)
  return value as TlsOptions
}

/** Returns `value` if it is PEM text, a function or `{ file }`; otherwise throws `SD_INVALID` without showing it. */
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

/** Source of the current certificates. */
export interface TlsSource {
  /**
   * Returns the current certificates; the same object until one of them changes.
   *
   * @throws SdError of local origin that names the option: `SD_UNAVAILABLE` if a file can't be read or a function fails,
   * `SD_INVALID` if the content is not PEM. It is `retryable`, because a file may be read while it is being written.
   */
  current(): Promise<TlsCertificates>
  /** Makes the next `current()` read again, regardless of the age of the last read. Call it after a connection was refused. */
  forget(): void
}

/**
 * Provides the current certificates of TLS options.
 *
 * @param options validated by {@link checkTls}
 * @param maxAgeMs time for which certificates are used without being read again, in milliseconds
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
  // Imported on demand, because core also runs without a file system.
  const { readFile } = await import('node:fs/promises')
  return readFile(source.file, 'utf8')
}
