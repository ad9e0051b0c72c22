import { type ClientHttp2Session, connect, type IncomingHttpHeaders } from 'node:http2'
import { isIPv6 } from 'node:net'
import { checkKnownKeys, checkName, checkText, SdError } from '@sd/core'
import { decodeHealthCheckResponse, encodeHealthCheckRequest } from './grpc-messages.ts'
import type { HealthCheck } from './health-check.ts'
import { describeError, readPort } from './tcp-check.ts'
import { type HealthCheckTlsOptions, readTls } from './tls.ts'

/** Options of {@link createGrpcCheck}. */
export interface GrpcCheckOptions {
  /** Name for logs and metrics. @default 'grpc' */
  readonly name?: string
  /** Full name of the gRPC service to check, such as `shop.v1.Orders`. @default '' (the server as a whole) */
  readonly service?: string
  /** Port to connect to. @default the target's */
  readonly port?: number
  /** Whether to use TLS, or TLS options. @default true if the target's protocol is `https` or `grpcs` */
  readonly tls?: boolean | HealthCheckTlsOptions
}

/** Response of a server: header fields with trailers, and the body. */
interface GrpcResponse {
  readonly fields: IncomingHttpHeaders
  readonly body: Buffer
}

/** No response of the health service is larger. */
const maxBodyBytes = 4_096

/**
 * Creates a check that calls the server's standard health service, `grpc.health.v1.Health/Check`. Any status but SERVING is
 * a failure. It uses `node:http2` with a new connection for each run: a channel of `@grpc/grpc-js` that is closed while the
 * server hangs before its first frame leaves the connection open (seen with 1.14.7).
 *
 * @throws SdError `SD_INVALID` that names the option
 * @see https://github.com/grpc/grpc/blob/master/doc/health-checking.md
 */
export function createGrpcCheck(options: GrpcCheckOptions = {}): HealthCheck {
  checkKnownKeys('', options, ['name', 'service', 'port', 'tls'])
  const name = checkName('name', options.name ?? 'grpc', 100)
  const service = checkText('service', options.service ?? '', 255)
  const message = encodeHealthCheckRequest(service)
  const ownPort = readPort(options.port)
  const tls = readTls(options.tls)

  function judge({ fields, body }: GrpcResponse): void {
    const { 'grpc-status': code, 'grpc-message': detail } = fields
    switch (code) {
      case '0': {
        const status = decodeHealthCheckResponse(body)
        if (status === 'SERVING') return
        throw new SdError('SD_UNAVAILABLE', `grpc.health.v1 reported ${status}, want SERVING`)
      }
      case '5':
        throw new SdError('SD_NOT_FOUND', `grpc.health.v1 does not know the service '${service}'`)
      case '12':
        throw new SdError('SD_UNSUPPORTED', 'The server has no grpc.health.v1 health service')
      case undefined:
        throw new SdError('SD_MALFORMED', `The response is not gRPC: HTTP status ${fields[':status']}`)
      default:
        throw new SdError('SD_UNAVAILABLE', `grpc.health.v1: status ${code}, ${String(detail ?? 'no message').slice(0, 200)}`)
    }
  }

  return {
    name,
    async run(target, { signal }) {
      const host = isIPv6(target.address) ? `[${target.address}]` : target.address
      const scheme = tls.isUsedFor(target) ? 'https' : 'http'
      const session = connect(`${scheme}://${host}:${ownPort ?? target.port}`, await tls.options())
      if (signal.aborted) session.destroy()
      const destroy = (): void => session.destroy()
      signal.addEventListener('abort', destroy, { once: true })
      try {
        judge(await request(session, message))
        return undefined
      } finally {
        signal.removeEventListener('abort', destroy)
        destroy()
      }
    },
  }
}

/** Sends the request. @throws SdError `SD_UNAVAILABLE` if the connection fails or ends before the response */
function request(session: ClientHttp2Session, message: Buffer): Promise<GrpcResponse> {
  return new Promise((resolve, reject) => {
    const fail = (error: NodeJS.ErrnoException): void =>
      reject(new SdError('SD_UNAVAILABLE', `gRPC: ${describeError(error)}`, { cause: error }))
    session.on('error', fail)
    const stream = session.request({
      ':method': 'POST',
      ':path': '/grpc.health.v1.Health/Check',
      'content-type': 'application/grpc',
      te: 'trailers',
      'user-agent': '@sd/health',
    })
    let fields: IncomingHttpHeaders = {}
    let body: Buffer = Buffer.alloc(0)
    stream.on('response', (headers) => {
      fields = headers
    })
    stream.on('trailers', (trailers) => {
      fields = { ...fields, ...trailers }
    })
    stream.on('data', (chunk: Buffer) => {
      body = Buffer.concat([body, chunk])
      if (body.length > maxBodyBytes) stream.destroy(new Error(`the response exceeds ${maxBodyBytes} bytes`))
    })
    stream.on('error', fail)
    stream.on('close', () => {
      if (fields[':status'] === undefined) fail(new Error('the connection ended before the response'))
      else resolve({ fields, body })
    })
    stream.end(message)
  })
}
