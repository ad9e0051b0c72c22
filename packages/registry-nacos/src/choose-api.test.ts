import assert from 'node:assert/strict'
import { SdError } from '@sd/core'
import { describe, expect, test } from 'vitest'
import { createApiChoice } from './choose-api.ts'
import { createNacosRegistry } from './index.ts'
import type { NacosConnection } from './nacos-connection.ts'
import { readError } from './nacos-error.ts'
import type { NacosRequest } from './nacos-http.ts'
import { readOptions } from './options.ts'
import { readPages } from './pages.ts'
import { createVerifier } from './verify.ts'

const { signal } = new AbortController()
const lists = { v1: '{"hosts":[]}', v3: '{"code":0,"data":[]}' }

/** A server that has the given APIs. */
function serverWith(
  ...versions: readonly ('v1' | 'v3')[]
): NacosConnection & { versions: readonly string[]; asked: NacosRequest[] } {
  const server = {
    versions: versions as readonly string[],
    asked: [] as NacosRequest[],
    async send(request: NacosRequest) {
      server.asked.push(request)
      const version = request.path.startsWith('/nacos/v1') ? 'v1' : 'v3'
      if (!server.versions.includes(version)) throw new SdError('SD_UNSUPPORTED', `no ${version}`)
      if (request.path.endsWith('service/list')) return JSON.stringify(version === 'v1' ? { count: 1, doms: ['a'] } : page('b'))
      if (request.path.endsWith('catalog/services')) throw new SdError('SD_UNSUPPORTED', 'no catalog')
      return lists[version]
    },
    close: () => undefined,
  }
  return server
}

function page(name: string): object {
  return { code: 0, data: { totalCount: 1, pageItems: [{ name, groupName: 'DEFAULT_GROUP' }] } }
}

describe('the API', () => {
  test('is v1 where there is one, else v3, found out once', async () => {
    for (const [versions, expected] of [[['v1', 'v3'], '/nacos/v1'] as const, [['v3'], '/nacos/v3'] as const]) {
      const server = serverWith(...versions)
      const use = createApiChoice(server, readOptions({}))
      await Promise.all([1, 2, 3].map(() => use((api) => api.list('orders', signal))))
      expect(server.asked.filter(({ params }) => JSON.stringify(params).includes('sd.probe'))).toHaveLength(
        versions.length === 2 ? 1 : 2,
      )
      expect(server.asked.slice(-3).every(({ path }) => path.startsWith(expected))).toBe(true)
    }
  })

  test('is asked for again when the server was replaced by one without it', async () => {
    const server = serverWith('v1')
    const use = createApiChoice(server, readOptions({}))
    await use((api) => api.list('orders', signal))
    server.versions = ['v3']
    await use((api) => api.list('orders', signal))
    expect(server.asked.at(-1)?.path).toMatch('/nacos/v3/client')
  })

  test('is away, not missing, once it has been there', async () => {
    for (const api of ['auto', 'v1'] as const) {
      const server = serverWith('v1')
      const use = createApiChoice(server, readOptions({ api }))
      await use((one) => one.list('orders', signal))
      server.versions = []
      await assert.rejects(
        use((one) => one.list('orders', signal)),
        { code: 'SD_UNAVAILABLE', retryable: true },
      )
    }
  })

  test('is missing on what is no Nacos, and stays as the options name it', async () => {
    const none = createApiChoice(serverWith(), readOptions({}))
    await assert.rejects(
      none((api) => api.list('orders', signal)),
      { code: 'SD_UNSUPPORTED', message: /is this a Nacos/ },
    )
    const named = createApiChoice(serverWith('v3'), readOptions({ api: 'v1' }))
    await assert.rejects(
      named((api) => api.list('orders', signal)),
      { code: 'SD_UNSUPPORTED' },
    )
  })

  test('lists services by the best way there is', async () => {
    const list = (server: NacosConnection, options: object): Promise<readonly string[]> =>
      createApiChoice(server, readOptions(options))(async (api) => (await api.listServices?.(signal)) ?? [])
    expect(await list(serverWith('v1'), {})).toEqual(['a'])
    expect(await list(serverWith('v1'), { adminApi: true })).toEqual(['a'])
    expect(await list(serverWith('v1', 'v3'), { adminApi: true })).toEqual(['b'])
    expect(await list(serverWith('v3'), {})).toEqual([])
    await using registry = createNacosRegistry({ api: 'v3' })
    await assert.rejects(registry.listServices(), { code: 'SD_UNSUPPORTED', message: /adminApi/ })
  })

  test('answers that make no sense are malformed, and failures say so', async () => {
    const answering = (text: string): NacosConnection => ({ send: async () => text, close: () => undefined })
    const list = (text: string, api: 'v1' | 'v3'): Promise<readonly unknown[]> =>
      createApiChoice(answering(text), readOptions({ api }))((one) => one.list('orders', signal))
    await assert.rejects(list('{}', 'v1'), { code: 'SD_MALFORMED' })
    await assert.rejects(list('<html>', 'v1'), { code: 'SD_MALFORMED' })
    await assert.rejects(list('{"code":0}', 'v3'), { code: 'SD_MALFORMED' })
    await assert.rejects(list('{"code":30000,"message":"server error"}', 'v3'), {
      code: 'SD_UNAVAILABLE',
      message: /server error/,
    })
  })
})

test.each([
  [200, '', undefined],
  [400, "Param 'Metadata' is illegal, the param length should not exceed 1024.", 'SD_TOO_LARGE'],
  [400, 'weight error', 'SD_INVALID'],
  [401, '', 'SD_DENIED'],
  [403, '', 'SD_DENIED'],
  [404, '', 'SD_UNSUPPORTED'],
  [410, 'Gone', 'SD_UNSUPPORTED'],
  [413, '', 'SD_TOO_LARGE'],
  [431, '', 'SD_TOO_LARGE'],
  [500, 'x'.repeat(9_999), 'SD_UNAVAILABLE'],
  [503, 'server is STARTING now', 'SD_UNAVAILABLE'],
])('status %s with "%s" is %s', (status, text, code) => {
  const error = readError('nacos', { status, text })
  expect(error?.code).toBe(code)
  expect(error?.message.length ?? 0).toBeLessThan(400)
})

test('pages are read to the end, and no further', async () => {
  const asked: number[] = []
  const read = (total: number, perPage: number) => async (pageNo: number) => {
    asked.push(pageNo)
    const left = Math.max(0, Math.min(perPage, total - (pageNo - 1) * perPage))
    return { total, items: Array.from({ length: left }, (_, index) => index) }
  }
  expect(await readPages(read(5, 2))).toHaveLength(5)
  expect(asked.splice(0)).toEqual([1, 2, 3])
  expect(await readPages(async () => ({ total: 9, items: [] }))).toEqual([])
  await assert.rejects(
    readPages(async () => ({ total: 9, items: null })),
    { code: 'SD_MALFORMED' },
  )
})

test('a registration is looked at until the server says that it does not tell', async () => {
  const verifier = createVerifier()
  const sent = {
    ip: 'h',
    port: 1,
    weight: 1,
    healthy: true,
    enabled: true,
    ephemeral: true,
    clusterName: 'c',
    metadata: { a: '1' },
  }
  const held =
    (weight: number, metadata: object): (() => Promise<string>) =>
    async () =>
      JSON.stringify({ weight, metadata })
  expect(await verifier.check(sent, held(1, { a: '1' }))).toBeUndefined()
  expect(await verifier.check(sent, held(1, { a: '0' }))).toBe(sent)
  expect(await verifier.check(sent, held(9, { a: '1' }))).toMatchObject({ weight: 1.000001, metadata: { 'sd.weight': '1' } })
  const failing = (code: 'SD_UNAVAILABLE' | 'SD_UNSUPPORTED') => async (): Promise<string> => {
    throw new SdError(code, 'no')
  }
  expect(await verifier.check(sent, failing('SD_UNAVAILABLE'))).toBeUndefined()
  expect(await verifier.check(sent, held(1, {}))).toBe(sent)
  expect(await verifier.check(sent, failing('SD_UNSUPPORTED'))).toBeUndefined()
  expect(await verifier.check(sent, held(1, {}))).toBeUndefined()
})
