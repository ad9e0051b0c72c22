import { closedError, type Endpoint, isSecureProtocol } from '@sd/core'
import { SERVER_NAME_METADATA } from '@sd/tls'
import { Http2Beside } from '../http2/http2-beside.ts'
import { isHttp2 } from '../http2/http2-transport.ts'
import type { Transport } from '../transport/transport.ts'
import { Http1Exchange } from './http1-exchange.ts'
import { type Http1TransportOptions, resolveHttp1Options } from './http1-options.ts'
import { Http1Pool } from './http1-pool.ts'
import { readTarget } from './http1-socket.ts'

/**
 * Sends over HTTP/1.1 with a writer and a parser of its own, which cost less CPU and memory per request than undici, and over
 * `node:http2` to instances whose protocol is HTTP/2. For proxies, on Node.js: `ServiceClient.dispatcher` needs undici.
 *
 * @throws SdError `SD_INVALID` that names the option
 */
export function createHttp1Transport(options: Http1TransportOptions = {}): Transport {
  const resolved = resolveHttp1Options(options)
  const pools = new Map<string, Http1Pool>()
  const http2 = new Http2Beside(options)
  let isClosed = false

  function poolOf({ origin, instance }: Endpoint, given: string | undefined): Http1Pool {
    const isSecure = isSecureProtocol(instance.protocol)
    const serverName = isSecure ? (given ?? instance.metadata[SERVER_NAME_METADATA]) : undefined
    const key = serverName === undefined ? origin : `${origin} ${serverName}`
    let pool = pools.get(key)
    if (!pool) {
      const created = new Http1Pool(readTarget(origin, serverName), resolved, () => {
        if (pools.get(key) === created) pools.delete(key)
      })
      pool = created
      pools.set(key, pool)
    }
    return pool
  }
  return {
    name: 'http1',
    send(endpoint, request, handler) {
      if (!isClosed && isHttp2(endpoint)) return http2.transport.send(endpoint, request, handler)
      const exchange = new Http1Exchange(request, handler)
      if (isClosed) queueMicrotask(() => exchange.fail(closedError('The transport'), false))
      else poolOf(endpoint, request.serverName).send(exchange)
      return exchange
    },
    async close() {
      isClosed = true
      for (const pool of [...pools.values()]) pool.close()
      await http2.close()
    },
  }
}
