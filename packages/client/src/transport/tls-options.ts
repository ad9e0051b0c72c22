import { createSecureContext } from 'node:tls'
import { checkKnownKeys, checkObject, SdError, toSdError } from '@sd/core'
import { checkTls, createTlsSource, type TlsCertificates, type TlsOptions } from '@sd/tls'

/** Certificates of the client's own connections. The name that a server's must have is a setting of its service, `serverName`. */
export type ClientTlsOptions = Pick<TlsOptions, 'ca' | 'cert' | 'key'>

/** Checks the options. @throws SdError `SD_INVALID` that names the option; no text is shown */
export function checkClientTls(field: string, options: ClientTlsOptions): ClientTlsOptions {
  checkKnownKeys(field, checkObject(field, options), ['ca', 'cert', 'key'])
  return checkTls(field, options)
}

/**
 * Returns a function that looks at every call, and returns the same object for as long as nothing has changed. What it throws is of local
 * origin and not retryable: no instance is at fault, and another one would not do better.
 */
export function followTls(options: ClientTlsOptions): () => Promise<TlsCertificates> {
  const source = createTlsSource(options, 0)
  let usable: TlsCertificates | undefined
  return async () => {
    try {
      const now = await source.current()
      // Throws for a key that does not belong to its certificate, as while both are being replaced.
      if (now !== usable) createSecureContext(now)
      usable = now
      return now
    } catch (caught) {
      const { code, message, cause } = toSdError(caught, 'SD_UNAVAILABLE', "The certificates of tls can't be used")
      throw new SdError(code, message, { cause, origin: 'local', retryable: false })
    }
  }
}
