import { createSecureContext, type SecureContext } from 'node:tls'
import { checkBoolean, checkKnownKeys, checkName, checkObject, isSecureProtocol, SdError } from '@sd/core'
import { checkPemSource, createTlsSource, type PemSource, type TlsCertificates } from '@sd/tls'
import type { HealthTarget } from './health-check.ts'

/** How a check speaks TLS. */
export interface HealthCheckTlsOptions {
  /** Certificates of the authorities that are trusted, as PEM. @default those that Node trusts */
  readonly ca?: PemSource | Buffer
  /** Certificate of the client, as PEM. @default none */
  readonly cert?: PemSource | Buffer
  /** Private key of the client, as PEM. @default none */
  readonly key?: PemSource | Buffer
  /** Name that the certificate must have. @default the target's address */
  readonly servername?: string
  /** Whether the certificate must be valid. @default true */
  readonly rejectUnauthorized?: boolean
}

/** TLS options as connections take them. */
export interface CheckTls {
  /** Whether TLS is spoken with this target. */
  isUsedFor(target: HealthTarget): boolean
  /** For `tls.connect`, as they are now. @throws SdError of local origin for certificates that can't be read or don't belong together */
  options(): Promise<{
    readonly secureContext: SecureContext
    readonly rejectUnauthorized: boolean
    readonly servername?: string
  }>
}

const pemKeys = ['ca', 'cert', 'key'] as const

/** Reads the option `tls`. Functions and files are looked at again, at most once a second. @throws SdError `SD_INVALID` that names the option */
export function readTls(tls: boolean | HealthCheckTlsOptions | undefined): CheckTls {
  const options = readOptions(tls)
  const rejectUnauthorized = checkBoolean('tls.rejectUnauthorized', options.rejectUnauthorized ?? true)
  const servername = options.servername === undefined ? undefined : checkName('tls.servername', options.servername)
  const { fixed, followed } = split(options)
  const source = Object.keys(followed).length > 0 ? createTlsSource(followed) : undefined
  let current: TlsCertificates = {}
  // Made as seldom as can be, because authorities are dear to parse.
  let secureContext = source ? undefined : makeContext(fixed, current)
  return {
    isUsedFor: ({ protocol }) => (tls === undefined ? isSecureProtocol(protocol) : tls !== false),
    async options() {
      const now = source ? await source.current() : current
      if (!secureContext || now !== current) secureContext = makeContext(fixed, now)
      current = now
      return { secureContext, rejectUnauthorized, ...(servername !== undefined && { servername }) }
    },
  }
}

function readOptions(tls: boolean | HealthCheckTlsOptions | undefined): HealthCheckTlsOptions {
  if (tls === undefined || typeof tls === 'boolean') return {}
  checkKnownKeys('tls', checkObject('tls', tls), [...pemKeys, 'servername', 'rejectUnauthorized'])
  return tls
}

interface Split {
  /** What stays as it is. */
  readonly fixed: { -readonly [Key in keyof TlsCertificates]: string | Buffer }
  /** What may change. */
  readonly followed: { -readonly [Key in keyof TlsCertificates]: PemSource }
}

function split(options: HealthCheckTlsOptions): Split {
  const parts: Split = { fixed: {}, followed: {} }
  for (const key of pemKeys) {
    const value = options[key]
    if (value === undefined) continue
    if (typeof value === 'string' || Buffer.isBuffer(value)) parts.fixed[key] = value
    else parts.followed[key] = checkPemSource(`tls.${key}`, value)
  }
  return parts
}

function makeContext(fixed: Split['fixed'], now: TlsCertificates): SecureContext {
  try {
    return createSecureContext({ ...fixed, ...now })
  } catch (error) {
    throw new SdError('SD_INVALID', 'Invalid tls: ca, cert and key must be PEM, and cert and key belong together', {
      field: 'tls',
      origin: 'local',
      cause: error,
    })
  }
}
