import { PassThrough } from 'node:stream'
import { createGzip } from 'node:zlib'
import { describe, expect, test, vi } from 'vitest'
import { BodyChain } from '../exchange/body-chain.ts'
import { fetchEcho, startFleet } from '../testing/start-fleet.ts'
import { type CreateBodyTransform, throughStream } from './body-transform.ts'
import type { GatewayFilter } from './filter.ts'

const forward = { service: 'orders' }

/** Appends a text to the body, and to a trailer field. */
function append(text: string): CreateBodyTransform {
  return (output) => ({
    write: (chunk) => output.write(chunk),
    end(rawTrailers) {
      output.write(Buffer.from(text))
      output.end(rawTrailers)
    },
  })
}

function transforming(create: CreateBodyTransform): () => GatewayFilter {
  return () => ({ onResponse: (_, response) => response.transformBody(create) })
}

const gzip: GatewayFilter = {
  onResponse(_, response) {
    response.setHeader('content-encoding', 'gzip')
    response.transformBody(throughStream(() => createGzip()))
  },
}

describe('the body of a response', () => {
  test('of some megabytes passes a stream', async () => {
    const text = Array.from({ length: 300_000 }, (_, index) => `line ${index}`).join('\n')
    const fleet = startFleet()
    await fleet.serve('a', { respond: (_, response) => response.end(text) })
    const { url } = await fleet.gateway([{ name: 'orders', forward, filters: [{ filter: 'gzip' }] }], {
      filters: { gzip: () => gzip },
    })
    const response = await fetch(url)
    expect(response.headers.get('content-encoding')).toBe('gzip')
    expect(response.headers.has('content-length')).toBe(false)
    expect((await response.text()) === text).toBe(true)
    await vi.waitFor(() => expect(fleet.outcomes).toMatchObject([{ status: 200, bytesOut: text.length }]))
  })

  test('passes the transform of the last filter first, also of a response of the gateway', async () => {
    const fleet = startFleet()
    await fleet.serve('a', { respond: (_, response) => response.end('body') })
    const filters = [{ filter: 'one' }, { filter: 'two' }]
    const { url } = await fleet.gateway(
      [
        { name: 'orders', forward, filters },
        { name: 'own', match: { path: '/own' }, respond: { status: 200, body: 'own' }, filters },
      ],
      { filters: { one: transforming(append(' one')), two: transforming(append(' two')) } },
    )
    expect(await (await fetch(url)).text()).toBe('body two one')
    expect(await (await fetch(`${url}/own`)).text()).toBe('own two one')
    const head = await fetch(url, { method: 'HEAD' })
    expect([head.status, head.headers.has('content-length')]).toEqual([200, false])
  })

  test.each<[string, CreateBodyTransform]>([
    [
      'throws',
      () => ({
        write() {
          throw new Error('secret')
        },
        end() {},
      }),
    ],
    [
      'fails later',
      throughStream(() => new PassThrough({ transform: (_, __, done) => setImmediate(done, new Error('secret')) })),
    ],
  ])('is cut if a transform %s', async (_, create) => {
    const fleet = startFleet()
    await fleet.serve('a')
    const destroyed = vi.fn()
    const other: CreateBodyTransform = (output) => ({ ...append('')(output), destroy: destroyed })
    const { url } = await fleet.gateway([{ name: 'orders', forward, filters: [{ filter: 'other' }, { filter: 'broken' }] }], {
      filters: { broken: transforming(create), other: transforming(other) },
    })
    await expect(fetchEcho(url)).rejects.toThrow()
    await vi.waitFor(() => expect(fleet.outcomes).toMatchObject([{ status: 200, error: { code: 'SD_LISTENER_FAILED' } }]))
    expect(destroyed).toHaveBeenCalled()
  })
})

test('a sender waits while the client takes no more, and while a stream is full', async () => {
  const drained = vi.fn()
  const ended = Promise.withResolvers<readonly string[]>()
  const received: string[] = []
  let isOpen = false
  const owner = { onTransformDrain: drained, onTransformEnd: ended.resolve, onTransformError: ended.reject }
  const downstream = {
    write(chunk: Uint8Array) {
      received.push(Buffer.from(chunk).toString())
      return isOpen
    },
  }
  const stream = throughStream(() => new PassThrough({ highWaterMark: 2 }))
  const chain = new BodyChain([append('!'), stream, append('?')], downstream, owner)
  while (chain.write(Buffer.from('ab'))) await new Promise(setImmediate)
  expect(received).toEqual(['ab'])
  expect(drained).not.toHaveBeenCalled()
  isOpen = true
  chain.resume()
  await vi.waitFor(() => expect(drained).toHaveBeenCalled())
  chain.end(['x-sum', '7'])
  expect(await ended.promise).toEqual(['x-sum', '7'])
  expect(received.join('')).toMatch(/^(ab)+!\?$/)
  chain.destroy()
  expect(chain.write(Buffer.from('late'))).toBe(true)
  expect(received.join('')).not.toContain('late')
})
