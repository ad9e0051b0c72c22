import { createSecureContext, type SecureContext } from 'node:tls'
import { checkBoolean, checkKnownKeys, checkName, checkObject, isSecureProtocol, SdError } from '@sd/core'
import { checkPemSource, createTlsSource, type PemSource, type TlsCertificates } from '@sd/tls'
import type { HealthTarget } from './health-check.ts'

/** TLS options of a check. */
export interface HealthCheckTlsOptions {
  /** Certificates of trusted authorities, as PEM. @default those that Node trusts */
  readonly ca?: PemSource | Buffer
  /** Certificate of the client, as PEM. @default none */
  readonly cert?: PemSource | Buffer
  /** Private key of the client, as PEM. @default none */
  readonly key?: PemSource | Buffer
  /** Server name to verify in the certificate. @default the target's address */
  readonly servername?: string
  /** Whether the certificate must be valid. @default true */
  readonly rejectUnauthorized?: boolean
}

/** TLS options for connections. */
export interface CheckTls {
  /** Whether TLS is used for this target. */
  isUsedFor(target: HealthTarget): boolean
  /** Current options for `tls.connect`. @throws SdError of local origin for certificates that can't be read or do not match */
  options(): Promise<{
    readonly secureContext: SecureContext
    readonly rejectUnauthorized: boolean
    readonly servername?: string
  }>
}

const pemKeys = ['ca', 'cert', 'key'] as const

/**
 * Validates the option `tls`. Functions and files are read again, at most once per second.
 *
 * @throws SdError `SD_INVALID` that names the option
 */
export function readTls(tls: boolean | HealthCheckTlsOptions | undefined): CheckTls {
  const options = readOptions(tls)
  const rejectUnauthorized = checkBoolean('tls.rejectUnauthorized', options.rejectUnauthorized ?? true)
  const servername = options.servername === undefined ? undefined : checkName('tls.servername', options.servername)
  const { fixed, followed } = split(options)
  const source = Object.keys(followed).length > 0 ? createTlsSource(followed) : undefined
  let current: TlsCertificates = {}
  // Created as rarely as possible, because parsing authorities is expensive.
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
  /** Values that never change. */
  readonly fixed: { -readonly [Key in keyof TlsCertificates]: string | Buffer }
  /** Values that may change. */
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
    throw new SdError('SD_INVALID', 'Invalid tls: ca, cert and key must be PEM, and key must match cert', {
      field: 'tls',
      origin: 'local',
      cause: error,
    })
  }
}
