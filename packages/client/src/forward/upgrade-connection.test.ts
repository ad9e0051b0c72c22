import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import { SdError } from '@sd/core'
import { describe, expect, test, vi } from 'vitest'
import type { ForwardHandler, ForwardRequest } from './forward.ts'
import { createUpgradeConnection } from './upgrade-connection.ts'

const head = (...lines: readonly string[]): string => `${lines.join('\r\n')}\r\n\r\n`
const request = head('GET /chat?a=1 HTTP/1.1', 'Host: ignored', 'Upgrade: websocket', 'Connection: Upgrade', 'X-A:  1 ')

/** A connection whose call is answered by the test. */
function open() {
  const control = { abort: vi.fn(), pause: vi.fn(), resume: vi.fn(), write: vi.fn(), end: vi.fn() }
  const calls: { readonly request: ForwardRequest; readonly handler: ForwardHandler }[] = []
  const client = {
    forward(given: ForwardRequest, handler: ForwardHandler) {
      calls.push({ request: given, handler })
      return control as never
    },
  }
  const connection = createUpgradeConnection(client, 'chat')
  const errors: unknown[] = []
  connection.on('error', (error) => errors.push(error))
  const read = (): string => String(connection.read() ?? '')
  return { connection, control, calls, errors, read, handler: () => calls[0]?.handler as ForwardHandler }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('a written request', () => {
  test('becomes a call of the service when its head is complete, in whatever parts it comes', () => {
    for (const size of [1, 7, request.length]) {
      const { connection, calls } = open()
      for (let at = 0; at < request.length; at += size) {
        expect(calls).toEqual([])
        connection.write(request.slice(at, at + size))
      }
      expect(calls.map((call) => call.request)).toEqual([
        {
          service: 'chat',
          method: 'GET',
          path: '/chat?a=1',
          rawHeaders: ['Connection', 'Upgrade', 'X-A', '1'],
          upgrade: 'websocket',
        },
      ])
      connection.destroy()
    }
  })

  test.each([
    ['has a body', [request, 'body'], "an upgrade request can't have a body"],
    ['has a body in the same part', [`${request}body`], "an upgrade request can't have a body"],
    ['has a head without end', ['GET / HTTP/1.1\r\n', 'x-a: '.padEnd(16_384, 'a')], 'the head of the request is larger than'],
  ])('that %s ends the connection', async (_, parts, message) => {
    const { connection, errors } = open()
    for (const part of parts) connection.write(part)
    await turn()
    expect(errors).toMatchObject([{ code: 'SD_INVALID', message: expect.stringContaining(message) }])
    expect(connection.destroyed).toBe(true)
  })

  test('may have a head of 16 KiB', () => {
    const { connection, calls } = open()
    const before = 'GET / HTTP/1.1\r\nx-a: '
    connection.write(`${before.padEnd(16_380, 'a')}\r\n\r\n`)
    expect(calls).toHaveLength(1)
    connection.destroy()
  })

  test('is aborted with the connection, with its error', async () => {
    const { connection, control, errors } = open()
    connection.write(request)
    connection.destroy(new Error('left'))
    await turn()
    expect(control.abort).toHaveBeenCalledExactlyOnceWith(
      expect.objectContaining({ code: 'SD_ABORTED', message: expect.stringContaining('left') }),
    )
    expect(errors).toHaveLength(1)
  })
})

describe('a response that is not an upgrade', () => {
  test('can be read, without the framing of the other connection, to its end', async () => {
    const { connection, handler, read, control } = open()
    connection.write(request)
    const fields = ['Keep-Alive', '5', 'Transfer-Encoding', 'chunked', 'Connection', 'keep-alive', 'X-A', '1']
    handler().onResponse(426, 'Upgrade Required', fields, undefined as never)
    handler().onData(Buffer.from('use https'))
    handler().onEnd([])
    expect(read()).toBe(`${head('HTTP/1.1 426 Upgrade Required', 'X-A: 1', 'connection: close')}use https`)
    const ended = once(connection, 'end')
    connection.resume()
    await ended
    expect(control.pause).not.toHaveBeenCalled()
  })

  test('is paused while it is not read', () => {
    const { connection, handler, control } = open()
    connection.write(request)
    handler().onResponse(426, '', [], undefined as never)
    handler().onData(Buffer.alloc(100_000))
    expect(control.pause).toHaveBeenCalledOnce()
    control.resume.mockClear()
    while (connection.read() !== null) {}
    expect(control.resume).toHaveBeenCalled()
    connection.destroy()
  })

  test('that fails ends the connection with its error', async () => {
    const { connection, handler, errors } = open()
    connection.write(request)
    const error = new SdError('SD_NO_INSTANCE', 'none')
    handler().onError(error)
    await turn()
    expect([errors, connection.destroyed]).toEqual([[error], true])
  })
})

describe('an upgrade', () => {
  function upgraded() {
    const opened = open()
    opened.connection.write(request)
    const peer = new PassThrough()
    const write = vi.spyOn(peer, 'write')
    opened.handler().onUpgrade?.(peer, ['Upgrade', 'websocket'], undefined as never)
    return { ...opened, peer, write }
  }

  test('passes bytes in both directions', async () => {
    const { connection, peer, read, write } = upgraded()
    peer.pause()
    connection.write('to the peer')
    expect(String(write.mock.calls[0]?.[0])).toBe('to the peer')
    peer.push('from the peer')
    peer.resume()
    await turn()
    expect(read()).toContain(head('HTTP/1.1 101 Switching Protocols', 'Upgrade: websocket'))
    connection.destroy()
  })

  test.each<[string, (peer: PassThrough) => unknown, number]>([
    ['closes', (peer) => peer.destroy(), 0],
    ['fails', (peer) => peer.destroy(new Error('reset')), 1],
  ])('ends with a peer that %s', async (_, end, expected) => {
    const { connection, peer, errors } = upgraded()
    end(peer)
    await turn()
    expect([connection.destroyed, errors.length]).toEqual([true, expected])
  })

  test('ends the peer when it is ended, and closes it when it is closed, without an abort', async () => {
    const { connection, peer, control } = upgraded()
    const end = vi.spyOn(peer, 'end')
    connection.end()
    await turn()
    expect(end).toHaveBeenCalledOnce()
    connection.destroy()
    await turn()
    expect([peer.destroyed, control.abort.mock.calls]).toEqual([true, []])
  })

  test('pauses a peer that is not read', async () => {
    const { connection, peer } = upgraded()
    const pause = vi.spyOn(peer, 'pause')
    peer.emit('data', Buffer.alloc(100_000))
    expect(pause).toHaveBeenCalled()
    const resume = vi.spyOn(peer, 'resume')
    while (connection.read() !== null) {}
    await turn()
    expect(resume).toHaveBeenCalled()
    connection.destroy()
  })
})
