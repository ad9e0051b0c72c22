import { createSecureContext, type SecureContext } from 'node:tls'
import { checkBoolean, checkKnownKeys, checkName, checkObject, SdError } from '@sd/core'
import type { HealthTarget } from './health-check.ts'

/** How a check speaks TLS. */
export interface HealthCheckTlsOptions {
  /** Certificates of the authorities that are trusted, as PEM. @default those that Node trusts */
  readonly ca?: string | Buffer
  /** Certificate of the client, as PEM. @default none */
  readonly cert?: string | Buffer
  /** Private key of the client, as PEM. @default none */
  readonly key?: string | Buffer
  /** Name that the certificate must have. @default the target's address */
  readonly servername?: string
  /** Whether the certificate must be valid. @default true */
  readonly rejectUnauthorized?: boolean
}

/** TLS options as connections take them. */
export interface CheckTls {
  /** Whether TLS is spoken with this target. */
  isUsedFor(target: HealthTarget): boolean
  /** For `tls.connect`. */
  readonly options: {
    readonly secureContext: SecureContext
    readonly rejectUnauthorized: boolean
    readonly servername?: string
  }
}

/** Reads the option `tls`: made once, because authorities are dear to parse. @throws SdError `SD_INVALID` that names the option */
export function readTls(tls: boolean | HealthCheckTlsOptions | undefined): CheckTls {
  const options = readOptions(tls)
  return {
    isUsedFor: ({ protocol }) => (tls === undefined ? protocol === 'https' || protocol === 'grpcs' : tls !== false),
    options: {
      secureContext: readSecureContext(options),
      rejectUnauthorized: checkBoolean('tls.rejectUnauthorized', options.rejectUnauthorized ?? true),
      ...(options.servername !== undefined && { servername: checkName('tls.servername', options.servername) }),
    },
  }
}

function readOptions(tls: boolean | HealthCheckTlsOptions | undefined): HealthCheckTlsOptions {
  if (tls === undefined || typeof tls === 'boolean') return {}
  checkKnownKeys('tls', checkObject('tls', tls), ['ca', 'cert', 'key', 'servername', 'rejectUnauthorized'])
  return tls
}

function readSecureContext({ ca, cert, key }: HealthCheckTlsOptions): SecureContext {
  try {
    return createSecureContext({ ca, cert, key })
  } catch (error) {
    throw new SdError('SD_INVALID', 'Invalid tls: ca, cert and key must be PEM, and cert and key belong together', {
      field: 'tls',
      cause: error,
    })
  }
}
