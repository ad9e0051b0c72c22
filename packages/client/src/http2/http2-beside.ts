import type { ClientTlsOptions } from '../transport/tls-options.ts'
import type { Transport } from '../transport/transport.ts'
import type { Http2TransportOptions } from './http2-options.ts'
import { createHttp2Transport } from './http2-transport.ts'

/** Options of a transport over HTTP/1.1 for its instances of HTTP/2. */
export interface BesideOptions {
  readonly tls?: ClientTlsOptions
  readonly connectTimeoutMs?: number
  readonly http2?: Omit<Http2TransportOptions, 'tls' | 'connectTimeoutMs'>
}

/** The transport for instances of HTTP/2 beside one over HTTP/1.1. It is created for the first of them. */
export class Http2Beside {
  readonly #options: BesideOptions
  #transport: Transport | undefined
  #isClosed = false

  constructor(options: BesideOptions) {
    this.#options = options
  }

  /** The transport; after {@link Http2Beside.close} a closed one. */
  get transport(): Transport {
    const { tls, connectTimeoutMs, http2 } = this.#options
    this.#transport ??= createHttp2Transport({
      ...http2,
      ...(tls && { tls }),
      ...(connectTimeoutMs !== undefined && { connectTimeoutMs }),
    })
    if (this.#isClosed) void this.#transport.close()
    return this.#transport
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#transport?.close()
  }
}
