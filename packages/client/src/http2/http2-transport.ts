import type { Endpoint } from '@sd/core'
import { SERVER_NAME_METADATA } from '@sd/tls'
import type { Transport } from '../transport/transport.ts'
import { Http2Exchange } from './http2-exchange.ts'
import { type Http2TransportOptions, resolveHttp2Options } from './http2-options.ts'
import { Http2Pool } from './http2-pool.ts'

/** Protocols of instances that are called over HTTP/2: with TLS, and without ("prior knowledge", RFC 9113, 3.3). */
const protocols: ReadonlySet<string> = new Set(['h2', 'h2c', 'grpc', 'grpcs'])

/** Whether an endpoint is called over HTTP/2. */
export function isHttp2({ instance }: Endpoint): boolean {
  // Nearly every endpoint has one of the first two.
  return instance.protocol !== 'http' && instance.protocol !== 'https' && protocols.has(instance.protocol)
}

/**
 * Sends over HTTP/2 with `node:http2`. Requests to one endpoint share a few connections. A connection on which the
 * server sent GOAWAY gets no new requests. A request that the server did not process is sent once more on a new
 * connection. If that fails too, it is reported as not sent, so that another endpoint is picked.
 *
 * @throws SdError `SD_INVALID` that names the option
 */
export function createHttp2Transport(options: Http2TransportOptions = {}): Transport {
  const resolved = resolveHttp2Options(options)
  const pools = new Map<string, Http2Pool>()
  let isClosed = false

  function poolOf(endpoint: Endpoint, serverName: string | undefined): Http2Pool {
    const key = serverName === undefined ? endpoint.origin : `${endpoint.origin} ${serverName}`
    let pool = pools.get(key)
    if (!pool) {
      // A pool without connections is removed, so that changing endpoints do not leak pools.
      pool = new Http2Pool(endpoint, { ...resolved, serverName, onEmpty: () => void pools.delete(key) })
      pools.set(key, pool)
    }
    return pool
  }

  return {
    name: 'http2',
    send(endpoint, request, handler) {
      const serverName = request.serverName ?? endpoint.instance.metadata[SERVER_NAME_METADATA]
      const exchange = new Http2Exchange(request, handler)
      if (isClosed) exchange.refuse()
      else poolOf(endpoint, endpoint.origin.startsWith('https:') ? serverName : undefined).send(exchange)
      return exchange
    },
    async close() {
      isClosed = true
      for (const pool of [...pools.values()]) pool.close()
    },
  }
}
