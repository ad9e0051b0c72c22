import { once } from 'node:events'
import { connect as connectHttp2, constants } from 'node:http2'
import { connect } from 'node:net'
import { subscribeTelemetry, type TelemetryEvents } from '@sd/core'
import { FAULT_HEADER } from '@sd/fault-injection'
import { startEdge } from '@sd/test-edge'
import { createSeededRandom } from '@sd/testing'
import { describe, expect, onTestFinished, test } from 'vitest'
import { createFaultInjectionFilter, type FaultInjectionFilterOptions, type FaultInjectionParts } from './index.ts'

/** What the service received. */
interface Received {
  readonly path: string
  readonly fault: string | undefined
}

async function start(
  options: FaultInjectionFilterOptions,
  parts?: FaultInjectionParts,
): Promise<{ url: string; received: Received[] }> {
  const received: Received[] = []
  const url = await startEdge(
    (request, response) => {
      received.push({ path: request.url ?? '', fault: request.headers[FAULT_HEADER] as string | undefined })
      if (request.url === '/pieces') {
        response.write('qrstu')
        setImmediate(() => response.end('vwxyz'))
      } else response.end('qrstuvwxyz')
    },
    [{ filters: [{ filter: 'fault-injection', ...options }] }],
    { 'fault-injection': createFaultInjectionFilter(parts) },
    { trustedProxies: ['127.0.0.0/8'] },
  )
  return { url, received }
}

function record<Name extends 'sd:v1:fault:injected' | 'sd:v1:gateway:exchange'>(name: Name): TelemetryEvents[Name][] {
  const events: TelemetryEvents[Name][] = []
  onTestFinished(subscribeTelemetry(name, (event) => void events.push(event)))
  return events
}

const statusOf = async (url: string, init?: RequestInit): Promise<number> => {
  const response = await fetch(url, init)
  await response.text()
  return response.status
}

/** All bytes that come until the connection closes. */
async function readRaw(url: string, path: string): Promise<string> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  socket.on('error', () => {})
  let text = ''
  socket.on('data', (chunk: Buffer) => (text += chunk))
  socket.write(`GET ${path} HTTP/1.1\r\nhost: shop\r\n\r\n`)
  await once(socket, 'close')
  return text
}

describe('without its switch', () => {
  test('nothing is injected, and a field of a client without the right to it is removed', async () => {
    const { url, received } = await start({ rules: [{ error: 503 }] })
    expect(await statusOf(url, { headers: { [FAULT_HEADER]: 'error=500' } })).toBe(200)
    expect(received).toEqual([{ path: '/', fault: undefined }])
  })
})

describe('an error', () => {
  test('is a response of the gateway, and published', async () => {
    const events = record('sd:v1:fault:injected')
    const { url, received } = await start({ enabled: true, rules: [{ name: 'drill', error: 503 }] })
    const response = await fetch(url)
    expect([response.status, await response.text(), received]).toEqual([503, 'injected by drill\n', []])
    expect(events).toEqual([{ service: 'orders', rule: 'drill', faults: ['error'], side: 'server' }])
  })

  test.each(['/', '/after-delay'])('of a broken connection closes it without a response: %s', async (path) => {
    const ended = record('sd:v1:gateway:exchange')
    const rules = [{ pathPrefix: '/after', delayMs: 1, error: 'unavailable' as const }, { error: 'unavailable' as const }]
    const { url, received } = await start({ enabled: true, rules })
    expect([await readRaw(url, path), received]).toEqual(['', []])
    expect(ended).toMatchObject([{ outcome: { status: 0, error: { code: 'SD_REJECTED' } } }])
  })

  test('of a broken connection resets only the stream of HTTP/2', async () => {
    const { url } = await start({ enabled: true, rules: [{ pathPrefix: '/broken', error: 'unavailable' }] })
    const session = connectHttp2(url)
    onTestFinished(() => session.close())
    const broken = session.request({ ':path': '/broken' })
    broken.on('error', () => {})
    await new Promise((resolve) => broken.on('close', resolve))
    expect(broken.rstCode).toBe(constants.NGHTTP2_INTERNAL_ERROR)
    const next = session.request({ ':path': '/' })
    const [head] = await once(next, 'response')
    expect(head[':status']).toBe(200)
    await once(next.resume(), 'end')
  })
})

describe('a cut', () => {
  test.each([
    ['/', 4, 'qrst'],
    ['/', 0, ''],
    ['/pieces', 7, 'qrstuvw'],
  ])('of %s after %i bytes leaves %j', async (path, cutAfterBytes, expected) => {
    const ended = record('sd:v1:gateway:exchange')
    const { url } = await start({ enabled: true, rules: [{ cutAfterBytes }] })
    const text = await readRaw(url, path)
    const chunks = text.slice(text.indexOf('\r\n\r\n') + 4).replace(/[\da-f]+\r\n|\r\n/g, '|')
    expect(text).not.toContain('\r\n0\r\n')
    expect(chunks.split('|').join('')).toBe(expected)
    await expect.poll(() => ended, { timeout: 20_000 }).toMatchObject([{ outcome: { status: 200, error: expect.anything() } }])
  })

  test.each(['/', '/pieces'])('that is not reached leaves %s unchanged', async (path) => {
    const { url } = await start({ enabled: true, rules: [{ cutAfterBytes: 10 }] })
    expect(await (await fetch(url + path)).text()).toBe('qrstuvwxyz')
  })
})

describe('a delay', () => {
  test('comes before the service, and an error after it', async () => {
    const { url, received } = await start({
      enabled: true,
      rules: [{ pathPrefix: '/error', delayMs: 5, error: 500 }, { jitterMs: 5 }],
    })
    expect([await statusOf(url), await statusOf(`${url}/error`)]).toEqual([200, 500])
    expect(received).toEqual([{ path: '/', fault: undefined }])
  })

  test('ends when its client leaves, and the service never gets the request', async () => {
    const ended = record('sd:v1:gateway:exchange')
    const { url, received } = await start({ enabled: true, rules: [{ pathPrefix: '/slow', delayMs: 60_000 }], maxActive: 1 })
    const events = record('sd:v1:fault:injected')
    const leaving = new AbortController()
    const sent = fetch(`${url}/slow`, { signal: leaving.signal })
    await expect.poll(() => events.length, { timeout: 20_000 }).toBe(1)
    // Further requests have no fault.
    expect(await statusOf(`${url}/slow`)).toBe(200)
    leaving.abort()
    await expect(sent).rejects.toThrow()
    await expect.poll(() => ended.map(({ outcome }) => outcome.status), { timeout: 20_000 }).toEqual([200, 499])
    expect(received).toHaveLength(1)
  })
})

describe('a rule', () => {
  test.each<[NonNullable<FaultInjectionFilterOptions['rules']>[number], string, RequestInit, number]>([
    [{ error: 500, service: 'orders' }, '/', {}, 500],
    [{ error: 500, service: 'carts' }, '/', {}, 200],
    [{ error: 500, methods: ['POST'] }, '/', {}, 200],
    [{ error: 500, methods: ['POST'] }, '/', { method: 'POST' }, 500],
    [{ error: 500, pathPrefix: '/a' }, '/b', {}, 200],
    [{ error: 500, headers: { 'X-Drill': 'on' } }, '/', {}, 200],
    [{ error: 500, headers: { 'X-Drill': 'on' } }, '/', { headers: { 'x-drill': 'on' } }, 500],
    [{ error: 500, headers: { 'x-drill': 'on' } }, '/', { headers: { 'x-drill': 'off' } }, 200],
    [{ error: 500, headers: { 'x-drill': { present: true } } }, '/', { headers: { 'x-drill': '' } }, 500],
    [{ error: 500, headers: { 'x-drill': { present: false } } }, '/', {}, 500],
    [{ error: 500, headers: { 'x-drill': { present: false } } }, '/', { headers: { 'x-drill': '1' } }, 200],
    [{ error: 500, headers: { 'x-drill': { oneOf: ['a', 'b'] } } }, '/', { headers: { 'x-drill': 'b' } }, 500],
    [{ error: 500, headers: { 'x-drill': { oneOf: ['a', 'b'] } } }, '/', {}, 200],
    [{ error: 500, headers: { 'x-drill': { prefix: 'a' } } }, '/', { headers: { 'x-drill': 'ab' } }, 500],
    [{ error: 500, headers: { 'x-drill': { prefix: 'a' } } }, '/', { headers: { 'x-drill': 'ba' } }, 200],
    [{ error: 500, headers: { a: '1', b: '2' } }, '/', { headers: { a: '1' } }, 200],
    [{ error: 500, share: 0 }, '/', {}, 200],
  ])('%j with %s and %j gives %i', async (rule, path, init, status) => {
    const { url } = await start({ enabled: true, rules: [rule] })
    expect(await statusOf(url + path, init)).toBe(status)
  })

  test('selects its share of the requests, the same ones for the same seed', async () => {
    const run = async (): Promise<number[]> => {
      const { url } = await start({ enabled: true, rules: [{ share: 0.3, error: 503 }] }, { random: createSeededRandom(7) })
      const statuses: number[] = []
      for (let sent = 0; sent < 40; sent++) statuses.push(await statusOf(url))
      return statuses
    }
    const [one, other] = [await run(), await run()]
    expect(one).toEqual(other)
    const random = createSeededRandom(7)
    const expected = one.map(() => {
      if (random() >= 0.3) return 200
      random() // the jitter of a fault
      return 503
    })
    expect(one).toEqual(expected)
  })
})

describe('the field x-fault', () => {
  const options = { enabled: true, headerNetworks: ['192.0.2.0/24'] }
  const ask = (fault: string, address = '192.0.2.1') => ({ headers: { [FAULT_HEADER]: fault, 'x-forwarded-for': address } })

  test.each<[string, number, string | undefined]>([
    ['error=429', 429, undefined],
    ['error=429; service=orders', 429, undefined],
    ['error=429; service=stock', 200, 'error=429; service=stock'],
    ['delay=1', 200, undefined],
    ['nonsense', 200, 'nonsense'],
    ['error=429; share=0', 200, 'error=429; share=0'],
  ])('%s of an allowed network gives %i, and the service gets %s', async (fault, status, forwarded) => {
    const { url, received } = await start(options)
    expect(await statusOf(url, ask(fault))).toBe(status)
    if (status === 200) expect(received).toEqual([{ path: '/', fault: forwarded }])
  })

  test.each(['198.51.100.1', '127.0.0.1'])('of another network, %s, has no effect and ends here', async (address) => {
    const { url, received } = await start(options)
    expect(await statusOf(url, ask('error=429', address))).toBe(200)
    expect(received).toEqual([{ path: '/', fault: undefined }])
  })

  test('comes before the rules', async () => {
    const { url } = await start({ ...options, rules: [{ error: 503 }] })
    expect([await statusOf(url, ask('error=429')), await statusOf(url)]).toEqual([429, 503])
  })
})
