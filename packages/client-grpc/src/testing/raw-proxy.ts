import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import type { ServiceClient } from '@sd/client'
import { SdError } from '@sd/core'
import { grpcStatusOf, judgeGrpcResponse } from '@sd/grpc-status'

/** Header fields for node:http2. */
function toFields(rawFields: readonly string[]): Record<string, string[]> {
  const fields: Record<string, string[]> = {}
  for (let index = 0; index < rawFields.length; index += 2) {
    const name = (rawFields[index] as string).toLowerCase()
    fields[name] ??= []
    fields[name].push(rawFields[index + 1] as string)
  }
  return fields
}

/** Forwards one gRPC call to `orders`, without decoding messages. */
function proxy(client: ServiceClient, stream: ServerHttp2Stream, headers: IncomingHttpHeaders, rawHeaders: string[]): void {
  let trailers: readonly string[] = []
  stream.on('error', () => undefined)
  const control = client.forward(
    {
      service: 'orders',
      method: 'POST',
      path: String(headers[':path']),
      rawHeaders,
      hasBody: true,
      headTimeoutMs: 0,
      idleTimeoutMs: 0,
      judge: judgeGrpcResponse,
    },
    {
      onDrain: () => stream.resume(),
      onResponse(status, _text, rawFields) {
        const fields = toFields(rawFields)
        // Trailers-Only: the head has the status, and nothing follows.
        const endStream = fields['grpc-status'] !== undefined
        stream.respond({ ':status': status, ...fields }, { endStream, waitForTrailers: !endStream })
      },
      onData(chunk) {
        if (!stream.write(chunk)) control.pause()
      },
      onEnd(rawTrailers) {
        trailers = rawTrailers
        if (!stream.writableEnded) stream.end()
      },
      onError(error) {
        if (stream.destroyed) return
        const told = { 'grpc-status': String(grpcStatusOf(error)), 'grpc-message': encodeURIComponent(error.message) }
        if (stream.headersSent) stream.close(2)
        else stream.respond({ ':status': 200, 'content-type': 'application/grpc', ...told }, { endStream: true })
      },
    },
  )
  stream.on('wantTrailers', () => stream.sendTrailers(toFields(trailers)))
  stream.on('drain', () => control.resume())
  stream.on('data', (chunk: Buffer) => void (control.write(chunk) || stream.pause()))
  stream.on('end', () => control.end())
  stream.on('aborted', () => control.abort(new SdError('SD_ABORTED', 'the caller disconnected')))
}

/** Starts a gRPC proxy on loopback that only uses `client.forward`. */
export async function startRawProxy(client: ServiceClient): Promise<{ readonly port: number; close(): void }> {
  const server = createServer()
  const sessions = new Set<{ destroy(): void }>()
  server.on('session', (session) => sessions.add(session))
  server.on('stream', (stream, headers, _flags, rawHeaders) => {
    // Node provides them as one list, pseudo-headers first.
    const fields = (rawHeaders as unknown as string[]).filter(
      (_, index, all) => !(all[index - (index % 2)] as string).startsWith(':'),
    )
    proxy(client, stream, headers, fields)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    close() {
      for (const session of sessions) session.destroy()
      server.close()
    },
  }
}
