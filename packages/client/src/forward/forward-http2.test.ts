import { constants, createServer, type Http2Server, type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo, Server } from 'node:net'
import { judgeGrpcResponse } from '@sd/grpc-status'
import { eventually } from '@sd/testing'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { forward } from '../testing/forwarded.ts'
import { createFrameServer, endHeaders, frame, status200, uint32 } from '../testing/http2-frames.ts'
import { createWorld, type World } from '../testing/world.ts'

let world: World
const servers: Http2Server[] = []
const frameServers: Server[] = []
beforeEach(() => {
  world = createWorld()
})
afterEach(async () => {
  await world.close()
  for (const server of [...servers.splice(0), ...frameServers.splice(0)]) server.close()
})

async function serve(onStream: (stream: ServerHttp2Stream, headers: object) => void, id: string): Promise<void> {
  const server = createServer()
  server.on('stream', (stream, headers) => {
    stream.on('error', () => undefined)
    onStream(stream, headers)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  servers.push(server)
  await world.register((server.address() as AddressInfo).port, { id, protocol: 'h2c' })
}

/** Responds with a body and trailers. */
function reply(stream: ServerHttp2Stream, body: string, trailers: Record<string, string>): void {
  stream.respond({ ':status': 200 }, { waitForTrailers: true })
  stream.on('wantTrailers', () => stream.sendTrailers(trailers))
  stream.end(body)
}

test('a pushed body, trailers in both directions and informational responses are forwarded', async () => {
  await serve((stream) => {
    stream.additionalHeaders({ ':status': 103, link: '</a>' })
    let sent: unknown
    stream.on('trailers', (trailers) => {
      sent = trailers['x-sum']
    })
    let body = ''
    stream.on('data', (chunk) => {
      body += chunk
    })
    stream.on('end', () => reply(stream, `${body} ${sent}`, { 'x-end': 'yes' }))
  }, 'a')
  const seen = forward(world.client(), { method: 'POST', hasBody: true, rawHeaders: ['te', 'trailers'] })
  seen.control.write(Buffer.from('hel'))
  seen.control.write(Buffer.from('lo'))
  seen.control.end(['x-sum', '7'])
  await seen.ended
  expect([seen.status, seen.text, seen.trailers]).toEqual([200, 'hello 7', ['x-end', 'yes']])
  expect(seen.informational.map(([status]) => status)).toEqual([103])
})

test('a gRPC response without a body is judged by the trailers in its head', async () => {
  let requests = 0
  await serve((stream) => {
    requests++
    stream.respond({ ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '14' }, { endStream: true })
  }, 'a')
  const seen = forward(world.client({ retry: false }), { method: 'POST', judge: judgeGrpcResponse })
  await seen.ended
  expect([seen.status, seen.text, requests]).toEqual([200, '', 1])
  expect(seen.rawHeaders.join(' ')).toContain('grpc-status 14')
})

/** A server that responds to every request with frames. */
async function serveFrames(id: string, framesOf: (streamId: number) => readonly Buffer[]): Promise<void> {
  const server = createFrameServer((socket, streamId) => socket.write(Buffer.concat(framesOf(streamId))))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  frameServers.push(server)
  await world.register((server.address() as AddressInfo).port, { id, protocol: 'h2c' })
}

test('a reset in the middle of a body is an error', async () => {
  await serveFrames('a', (id) => [
    frame('headers', endHeaders, id, status200),
    frame('data', 0, id, Buffer.from('part')),
    frame('resetStream', 0, id, uint32(constants.NGHTTP2_INTERNAL_ERROR)),
  ])
  const seen = forward(world.client())
  await seen.ended
  expect([seen.status, seen.error?.code, seen.error?.origin]).toEqual([200, 'SD_UNAVAILABLE', 'peer'])
  expect(world.active()).toBe(0)
})

test.each([
  ['GOAWAY before the request was processed', () => frame('goAway', 0, 0, uint32(0, constants.NGHTTP2_NO_ERROR))],
  ['a refused stream', (id: number) => frame('resetStream', 0, id, uint32(constants.NGHTTP2_REFUSED_STREAM))],
])('after %s another instance is picked, also for a POST', async (_, refuse) => {
  await serveFrames('first', (id) => [refuse(id)])
  await serve((stream) => reply(stream, 'second', {}), 'second')
  const seen = forward(world.client(), { method: 'POST', hasBody: true })
  seen.control.end()
  await seen.ended
  expect([seen.instanceId, seen.text]).toEqual(['second', 'second'])
})

test('a paused response stops the server, and arrives completely', async () => {
  const size = 4_000_000
  await serve((stream) => {
    stream.respond({ ':status': 200 })
    stream.write(Buffer.alloc(size / 2))
    stream.end(Buffer.alloc(size / 2))
  }, 'a')
  let isPaused = false
  const seen = forward(
    world.client(),
    {},
    {
      onResponse() {
        seen.control.pause()
        isPaused = true
      },
    },
  )
  await eventually(() => expect(isPaused).toBe(true), 3_000)
  const atPause = seen.chunks.reduce((sum, { length }) => sum + length, 0)
  expect(atPause).toBeLessThan(size)
  seen.control.resume()
  await seen.ended
  expect(seen.chunks.reduce((sum, { length }) => sum + length, 0)).toBe(size)
})
