import { once } from 'node:events'
import { createServer, request as openRequest } from 'node:http'
import type { Duplex } from 'node:stream'
import { createBulkhead } from '@sd/concurrency-limit'
import { createMemoryRateLimiter } from '@sd/rate-limit-memory'
import express from 'express'
import { describe, expect, test } from 'vitest'
import { createServerLimits, type ServerLimitsOptions } from './index.ts'
import { ask, listen, until } from './testing/serve.ts'

/** Opens an event stream. @returns a function that closes it */
async function openStream(port: number, path: string): Promise<() => void> {
  const outgoing = openRequest({ host: '127.0.0.1', port, path, agent: false })
  outgoing.on('error', () => undefined)
  outgoing.end()
  const [response] = await once(outgoing, 'response')
  response.on('error', () => undefined).resume()
  return () => void outgoing.destroy()
}

describe('event streams', () => {
  test.each(['/set', '/write-head', '/flat', '/pairs'])(
    '%s: they take a place of streams instead of one for requests',
    async (path) => {
      const concurrency = createBulkhead({ maxConcurrent: 1 })
      const streams = createBulkhead({ maxConcurrent: 2, name: 'streams' })
      const limits = createServerLimits({ concurrency, streams })
      const app = express().disable('x-powered-by')
      app.use(limits.middleware)
      const type = 'text/event-stream; charset=utf-8'
      app.get('/set', (_, response) => void response.set('Content-Type', type).flushHeaders())
      app.get('/write-head', (_, response) => void response.writeHead(200, 'OK', { 'Content-Type': type }).write('data: 1\n\n'))
      app.get(
        '/flat',
        (_, response) => void response.writeHead(200, ['x-a', 'content-type', 'Content-Type', type]).write('data: 1\n\n'),
      )
      app.get('/pairs', (_, response) => void response.writeHead(200, [['Content-Type', type]] as never).write('data: 1\n\n'))
      app.get('/', (_, response) => void response.end('served'))
      const port = await listen(createServer(app))
      const closes = [await openStream(port, path), await openStream(port, path)]
      expect({ active: concurrency.statistics().active, streams: streams.statistics().active }).toEqual({ active: 0, streams: 2 })
      expect(await ask(port)).toMatchObject({ status: 200 })
      // A stream over the limit keeps its place among the requests.
      closes.push(await openStream(port, path))
      expect(await ask(port)).toMatchObject({ status: 503 })
      for (const close of closes) close()
      await until(() => concurrency.statistics().active + streams.statistics().active === 0, 'all are closed')
      limits.close()
    },
  )
})

describe('WebSockets', () => {
  async function serve(options: ServerLimitsOptions) {
    const limits = createServerLimits(options)
    const server = createServer(limits.handler((_, response) => response.end('served')))
    server.on(
      'upgrade',
      limits.upgradeListener((_, socket) => {
        socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n')
        socket.pipe(socket)
        socket.on('error', () => undefined)
      }),
    )
    return listen(server)
  }

  async function open(port: number): Promise<{ readonly status: number; readonly socket?: Duplex; readonly text: string }> {
    const outgoing = openRequest({ host: '127.0.0.1', port, headers: { connection: 'upgrade', upgrade: 'echo' } })
    outgoing.end()
    return new Promise((resolve, reject) => {
      outgoing.on('error', reject)
      outgoing.on('upgrade', (_, socket) => {
        socket.on('error', () => undefined)
        resolve({ status: 101, socket, text: '' })
      })
      outgoing.on('response', async (response) => {
        resolve({ status: response.statusCode ?? 0, text: Buffer.concat(await response.toArray()).toString() })
      })
    })
  }

  test('are limited for as long as they are open, and take no place from requests', async () => {
    const streams = createBulkhead({ maxConcurrent: 1 })
    const port = await serve({ streams, concurrency: createBulkhead({ maxConcurrent: 1 }) })
    const first = await open(port)
    expect(first.status).toBe(101)
    first.socket?.write('hello')
    expect(String((await once(first.socket as Duplex, 'data'))[0])).toBe('hello')
    const second = await open(port)
    expect(second.status).toBe(503)
    expect(JSON.parse(second.text)).toMatchObject({
      code: 'SD_REJECTED',
      detail: 'The server has reached its limit of open streams.',
    })
    expect(await ask(port)).toMatchObject({ status: 200 })
    first.socket?.destroy()
    await until(() => streams.statistics().active === 0, 'it is closed')
    expect((await open(port)).status).toBe(101)
  })

  test('handshakes are part of the rate of their caller', async () => {
    const port = await serve({ rate: { limiter: createMemoryRateLimiter({ limit: 1, windowMs: 3_600_000 }) } })
    expect((await open(port)).status).toBe(101)
    const refused = await open(port)
    expect({ status: refused.status, code: JSON.parse(refused.text).code }).toEqual({ status: 429, code: 'SD_REJECTED' })
  })
})
