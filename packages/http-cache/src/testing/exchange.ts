import type { CacheRequest, HttpCache } from '../index.ts'

/** A response of the service, or `down`. */
export type Service =
  | 'down'
  | {
      readonly status?: number
      readonly headers?: Readonly<Record<string, string>>
      readonly body?: string
    }

/** What a client got, and what reached the service. */
export interface Result {
  readonly from: 'cache' | 'service' | 'nothing'
  readonly status?: number
  readonly body?: string
  readonly headers: Readonly<Record<string, string>>
  /** Fields of the request that was sent. */
  readonly sent?: Readonly<Record<string, string>> | undefined
}

const toRaw = (headers: Readonly<Record<string, string>>): string[] => Object.entries(headers).flat()

function toRecord(raw: readonly string[]): Record<string, string> {
  const headers: Record<string, string> = {}
  for (let index = 0; index < raw.length; index += 2) headers[raw[index] as string] = raw[index + 1] as string
  return headers
}

/** Sends a request through a cache to a service that is a value. The cache has no peer but its caller. */
export async function exchange(
  cache: HttpCache,
  service: Service | (() => Promise<Service>),
  {
    method = 'GET',
    url = 'http://orders/1',
    headers = {},
    ...more
  }: Partial<Omit<CacheRequest, 'rawHeaders'>> & { readonly headers?: Readonly<Record<string, string>> } = {},
): Promise<Result> {
  const decision = await cache.open({ method, url, rawHeaders: toRaw(headers), ...more })
  if (decision.kind === 'respond') {
    decision.refresh?.abort()
    const { status, rawHeaders, body } = decision.response
    return { from: 'cache', status, headers: toRecord(rawHeaders), body: Buffer.from(body).toString() }
  }
  const { fill } = decision
  const sent = toRecord(fill.rawHeaders)
  const result = typeof service === 'function' ? await service() : service
  if (result === 'down') {
    const response = fill.fail()
    if (!response) return { from: 'nothing', headers: {}, sent }
    return { from: 'cache', status: response.status, headers: toRecord(response.rawHeaders), sent }
  }
  const { status = 200, headers: fields = {}, body = 'body' } = result
  const received = fill.receive(status, toRaw(fields))
  if (received.kind === 'repeat')
    return await exchange(cache, result, { method, url, headers: toRecord(fill.rawHeaders), ...more })
  if (received.kind === 'respond') {
    const { response } = received
    const text = Buffer.from(response.body).toString()
    return { from: 'cache', status: response.status, headers: toRecord(response.rawHeaders), body: text, sent }
  }
  if (received.kind === 'store') {
    fill.write(Buffer.from(body))
    fill.end()
    // The store may answer later.
    await new Promise(setImmediate)
  }
  return { from: 'service', status, headers: { ...fields, 'cache-status': received.cacheStatus }, body, sent }
}
