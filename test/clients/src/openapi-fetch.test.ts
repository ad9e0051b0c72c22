import { text } from 'node:stream/consumers'
import createClient from 'openapi-fetch'
import { expect, test } from 'vitest'
import { abortIn, type Services, serveStock } from './testing/services.ts'

/** What openapi-typescript makes of a document. */
interface paths {
  '/stock/{id}': {
    get: {
      parameters: { path: { id: number } }
      responses: { 200: { content: { 'application/json': { pieces: number } } } }
    }
    post: {
      parameters: { path: { id: number }; header?: { 'idempotency-key'?: string } }
      requestBody: { content: { 'application/json': { pieces: number } } }
      responses: { 200: { content: { 'application/json': { pieces: number } } } }
    }
  }
  '/export': { get: { responses: { 200: { content: { 'text/plain': string } } } } }
}

async function start(options = {}): Promise<Services & { readonly api: ReturnType<typeof createClient<paths>> }> {
  const services = await serveStock(async (request, response) => {
    if (request.url === '/export') {
      response.write('first ')
      setTimeout(() => response.end('last'), 20)
      return
    }
    const body = await text(request)
    response.setHeader('content-type', 'application/json').end(body === '' ? '{"pieces":3}' : body)
  }, options)
  return { ...services, api: createClient<paths>({ baseUrl: 'http://stock', fetch: services.client.fetch }) }
}

const params = { path: { id: 7 } }

test('a GET, and a POST with an idempotency key, are repeated; another POST is not', async () => {
  const { api, failNext, requests } = await start()
  failNext(1)
  expect((await api.GET('/stock/{id}', { params })).data).toEqual({ pieces: 3 })
  failNext(1)
  const header = { 'idempotency-key': 'k1' }
  expect((await api.POST('/stock/{id}', { params: { ...params, header }, body: { pieces: 5 } })).data).toEqual({ pieces: 5 })
  failNext(1)
  expect((await api.POST('/stock/{id}', { params, body: { pieces: 5 } })).response.status).toBe(503)
  expect(requests).toEqual(['GET /stock/7', 'GET /stock/7', 'POST /stock/7', 'POST /stock/7', 'POST /stock/7'])
})

test('the time limit of the service, and a signal, reject with the errors of fetch', async () => {
  const { api, hangNext } = await start({ timeoutMs: 200 })
  hangNext(2)
  await expect(api.GET('/stock/{id}', { params })).rejects.toMatchObject({
    name: 'TimeoutError',
    cause: { code: 'SD_DEADLINE_EXCEEDED' },
  })
  await expect(api.GET('/stock/{id}', { params, signal: abortIn(20) })).rejects.toMatchObject({ name: 'AbortError' })
})

test('a body is read as it comes', async () => {
  const { api } = await start()
  const { data } = await api.GET('/export', { parseAs: 'stream' })
  const chunks: string[] = []
  for await (const chunk of data as ReadableStream<Uint8Array>) chunks.push(Buffer.from(chunk).toString())
  expect(chunks).toEqual(['first ', 'last'])
})
