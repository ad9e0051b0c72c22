import { createSecureContext } from 'node:tls'
import { checkKnownKeys, checkObject, SdError, toSdError, withTimeout } from '@sd/core'
import { checkTls, createTlsSource, type TlsCertificates, type TlsOptions } from '@sd/tls'

/**
 * Certificates of the client's connections. The name that a server's certificate must have is the setting `serverName`
 * of its service.
 */
export type ClientTlsOptions = Pick<TlsOptions, 'ca' | 'cert' | 'key'>

/** Validates the options. @throws SdError `SD_INVALID` that names the option; it does not quote PEM texts */
export function checkClientTls(field: string, options: ClientTlsOptions): ClientTlsOptions {
  checkKnownKeys(field, checkObject(field, options), ['ca', 'cert', 'key'])
  return checkTls(field, options)
}

/**
 * Returns a function that reads the certificates at every call, and returns the same object until they change. Its
 * errors are of local origin and not retryable: no instance is at fault, and another one would fail too.
 */
export function followTls(options: ClientTlsOptions): () => Promise<TlsCertificates> {
  const source = createTlsSource(options, 0)
  let usable: TlsCertificates | undefined
  return async () => {
    try {
      const now = await source.current()
      // Throws for a key that does not match its certificate, for example while both are being replaced.
      if (now !== usable) createSecureContext(now)
      usable = now
      return now
    } catch (caught) {
      const { code, message, cause } = toSdError(caught, 'SD_UNAVAILABLE', "The certificates of tls can't be used")
      throw new SdError(code, message, { cause, origin: 'local', retryable: false })
    }
  }
}

/**
 * Reads certificates within a time limit. Certificates that don't arrive in time are not the instance's fault.
 *
 * @throws SdError of local origin
 */
export async function awaitCertificates(
  certificates: () => Promise<TlsCertificates>,
  timeoutMs: number,
): Promise<TlsCertificates> {
  try {
    return await withTimeout({ timeoutMs, what: 'reading the certificates' }, certificates)
  } catch (caught) {
    const error = caught as SdError
    if (error.code !== 'SD_TIMEOUT') throw error
    throw new SdError('SD_TIMEOUT', error.message, { cause: error, origin: 'local', retryable: false })
  }
}
