import { createSecureContext, type SecureContext } from 'node:tls'
import { checkKnownKeys, checkObject, guardListener } from '@sd/core'
import { checkTls, createTlsSource, type TlsCertificates, type TlsOptions } from '@sd/tls'

/**
 * Interval of reading the certificates while no connection is made, in milliseconds: an expired one must not cost the
 * next connection.
 */
const lookEveryMs = 30_000

/** A secure context that has the newest certificates whenever a connection is made with it. */
export interface RotatingContext {
  /** For `createFromSecureContext` of grpc-js. */
  readonly context: SecureContext
  /** Stops reading; the last certificates stay in effect. */
  close(): void
}

/**
 * Follows certificates that are functions or files. grpc-js keeps one secure context, but Node reads its contents for
 * every connection.
 *
 * @throws SdError `SD_INVALID` that names the option; `SD_UNAVAILABLE` or `SD_INVALID` if the certificates can't be
 * read or used now
 */
export async function createRotatingContext(tls: Pick<TlsOptions, 'ca' | 'cert' | 'key'>): Promise<RotatingContext> {
  checkKnownKeys('tls', checkObject('tls', tls), ['ca', 'cert', 'key'])
  const source = createTlsSource(checkTls('tls', tls), 0)
  let certificates: TlsCertificates | undefined
  let latest: SecureContext = await load()
  let isLooking = false

  async function load(): Promise<SecureContext> {
    const read = await source.current()
    if (read === certificates) return latest
    const made = createSecureContext(read)
    certificates = read
    return made
  }

  /** Unreadable or half-written certificates leave the current ones in effect, with a warning. */
  const look = guardListener('certificates of gRPC', async () => {
    if (isLooking) return
    isLooking = true
    try {
      latest = await load()
    } finally {
      isLooking = false
    }
  })

  const timer = setInterval(look, lookEveryMs)
  timer.unref()
  return {
    context: {
      get context() {
        look()
        return latest.context
      },
    },
    close: () => clearInterval(timer),
  }
}
