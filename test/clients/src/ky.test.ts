import { text } from 'node:stream/consumers'
import ky, { type KyInstance } from 'ky'
import { expect, test } from 'vitest'
import { abortIn, type Services, serveStock } from './testing/services.ts'

async function start(options = {}): Promise<Services & { readonly http: KyInstance }> {
  const services = await serveStock(async (request, response) => {
    if (request.url === '/export') {
      response.write('first ')
      setTimeout(() => response.end('last'), 20)
      return
    }
    const body = await text(request)
    response.setHeader('content-type', 'application/json').end(body === '' ? '{"pieces":3}' : body)
  }, options)
  // The client retries and limits the time: once is enough.
  const http = ky.create({ baseUrl: 'http://stock/', fetch: services.client.fetch, retry: 0, timeout: false })
  return { ...services, http }
}

test('a GET is repeated by the client, a POST is not', async () => {
  const { http, failNext, requests } = await start()
  failNext(1)
  expect(await http.get('stock/7').json()).toEqual({ pieces: 3 })
  failNext(1)
  await expect(http.post('stock/7', { json: { pieces: 5 } })).rejects.toMatchObject({
    name: 'HTTPError',
    response: { status: 503 },
  })
  expect(await http.post('stock/7', { json: { pieces: 5 } }).json()).toEqual({ pieces: 5 })
  expect(requests).toEqual(['GET /stock/7', 'GET /stock/7', 'POST /stock/7', 'POST /stock/7'])
})

test('its own retries multiply those of the client', async () => {
  const { http, failNext, requests } = await start()
  failNext(100)
  await expect(http.get('stock/7', { retry: { limit: 1, delay: () => 1 } })).rejects.toMatchObject({ name: 'HTTPError' })
  expect(requests.length).toBeGreaterThan(3)
})

test('the time limit of the service, and a signal, reject with the errors of fetch', async () => {
  const { http, hangNext } = await start({ timeoutMs: 200 })
  hangNext(2)
  const error: unknown = await http.get('stock/7').catch((caught: unknown) => caught)
  expect(causes(error)).toContain('SD_DEADLINE_EXCEEDED')
  await expect(http.get('stock/7', { signal: abortIn(20) })).rejects.toMatchObject({ name: 'AbortError' })
})

test('a body is read as it comes', async () => {
  const { http } = await start()
  const { body } = await http.get('export')
  const chunks: string[] = []
  for await (const chunk of body as ReadableStream<Uint8Array>) chunks.push(Buffer.from(chunk).toString())
  expect(chunks).toEqual(['first ', 'last'])
})

/** Codes of an error and its causes. */
function causes(error: unknown): readonly unknown[] {
  return error instanceof Error ? [(error as { readonly code?: unknown }).code, ...causes(error.cause)] : []
}
