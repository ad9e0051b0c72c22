import { checkFunction, checkKnownKeys, checkObject, invalid, type Provided, resolveProvided, SdError } from '@sd/core'

/**
 * Certificates of the client's own connections. Each is PEM text or a function that gives it, which is asked at every new connection: what
 * rotates is in effect without a restart. Connections that are open stay.
 */
export interface ClientTlsOptions {
  /** Certificates of the authorities that may have signed those of instances. @default those that Node trusts */
  readonly ca?: Provided<string>
  /** Certificate of this client, with `key`. @default none */
  readonly cert?: Provided<string>
  /** Private key of the certificate. @default none */
  readonly key?: Provided<string>
}

/** The certificates as they are now. */
export interface ResolvedTls {
  /** See {@link ClientTlsOptions.ca}. */
  readonly ca?: string
  /** See {@link ClientTlsOptions.cert}. */
  readonly cert?: string
  /** See {@link ClientTlsOptions.key}. */
  readonly key?: string
}

const keys = ['ca', 'cert', 'key'] as const

/** Checks the options. @throws SdError `SD_INVALID` that names the option; no text is shown */
export function checkClientTls(field: string, options: ClientTlsOptions): ClientTlsOptions {
  checkKnownKeys(field, checkObject(field, options), keys)
  for (const key of keys) {
    const value = options[key]
    if (typeof value === 'function') checkFunction(`${field}.${key}`, value)
    else if (value !== undefined) checkPem(`${field}.${key}`, value)
  }
  if ((options.cert === undefined) !== (options.key === undefined)) throw invalid(field, 'one of cert and key', 'both or none')
  return options
}

function checkPem(field: string, value: unknown): string {
  if (typeof value === 'string' && value.includes('-----BEGIN ')) return value
  throw invalid(field, `a value of type ${typeof value}`, 'a PEM text that has "-----BEGIN", or a function that gives one')
}

/** The certificates as they are now. @throws SdError `SD_INVALID` that names the option, for what a function gives; `SD_UNAVAILABLE` of local origin if it fails */
export async function resolveTls(options: ClientTlsOptions): Promise<ResolvedTls> {
  const resolved: { -readonly [Key in keyof ResolvedTls]: string } = {}
  for (const key of keys) {
    const provided = options[key]
    if (provided !== undefined) resolved[key] = checkPem(`tls.${key}`, await ask(key, provided))
  }
  return resolved
}

async function ask(key: string, provided: Provided<string>): Promise<unknown> {
  try {
    return await resolveProvided(provided)
  } catch (cause) {
    // Not a fault of the instance that was to be connected.
    throw new SdError('SD_UNAVAILABLE', `The function tls.${key} failed: ${String(cause)}`, {
      cause,
      origin: 'local',
      retryable: false,
    })
  }
}

/** Metadata of an instance that names what its certificate is for, where it is not its address. */
export const SERVER_NAME_METADATA = 'tls-server-name'
