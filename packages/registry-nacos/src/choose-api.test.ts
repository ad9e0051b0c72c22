import assert from 'node:assert/strict'
import { createNacosConnection, type NacosConnection, type NacosRequest } from '@sd/connection-nacos'
import { SdError } from '@sd/core'
import { describe, expect, test } from 'vitest'
import { chooseApi } from './choose-api.ts'
import { createNacosRegistry } from './index.ts'
import { resolveNacosRegistryOptions } from './options.ts'
import { readPages } from './pages.ts'
import { createVerifier } from './verify.ts'

const { signal } = new AbortController()
const lists = { v1: '{"hosts":[]}', v3: '{"code":0,"data":[]}' }

/** A connection to a server that does not respond by gRPC, and on which `send` responds to every other request. */
function connectionOf(send: (request: NacosRequest) => Promise<string>): NacosConnection {
  const { grpc, close } = createNacosConnection(resolveNacosRegistryOptions({ servers: ['127.0.0.1:1'] }))
  return {
    send,
    exchange: async (request) => ({ status: 200, headers: {}, text: await send(request) }),
    grpc,
    close,
  }
}

/** A server with the given APIs. */
function serverWith(...versions: readonly ('v1' | 'v3')[]): NacosConnection & { readonly asked: readonly NacosRequest[] } {
  const asked: NacosRequest[] = []
  const connection = connectionOf(async (request) => {
    asked.push(request)
    const version = request.path.startsWith('/nacos/v1') ? 'v1' : 'v3'
    if (!versions.includes(version)) throw new SdError('SD_UNSUPPORTED', `no ${version}`)
    if (request.path.endsWith('service/list')) return JSON.stringify(version === 'v1' ? { count: 1, doms: ['a'] } : page('b'))
    if (request.path.endsWith('catalog/services')) throw new SdError('SD_UNSUPPORTED', 'no catalog')
    return lists[version]
  })
  return { ...connection, asked }
}

function page(name: string): object {
  return { code: 0, data: { totalCount: 1, pageItems: [{ name, groupName: 'DEFAULT_GROUP' }] } }
}

describe('the API', () => {
  test('is v1 if the server has it, else v3, and is detected once', async () => {
    for (const [versions, expected] of [[['v1', 'v3'], '/nacos/v1'] as const, [['v3'], '/nacos/v3'] as const]) {
      const server = serverWith(...versions)
      const use = chooseApi(server, resolveNacosRegistryOptions({}))
      await Promise.all([1, 2, 3].map(() => use((api) => api.list('orders', signal))))
      expect(server.asked.filter(({ params }) => JSON.stringify(params).includes('sd.probe'))).toHaveLength(
        versions.length === 2 ? 1 : 2,
      )
      expect(server.asked.slice(-3).every(({ path }) => path.startsWith(expected))).toBe(true)
    }
  })

  test('lists services with the best available request', async () => {
    const list = (server: NacosConnection, options: object): Promise<readonly string[]> =>
      chooseApi(server, resolveNacosRegistryOptions(options))(async (api) => (await api.listServices?.(signal)) ?? [])
    expect(await list(serverWith('v1'), {})).toEqual(['a'])
    expect(await list(serverWith('v1'), { adminApi: true })).toEqual(['a'])
    expect(await list(serverWith('v1', 'v3'), { adminApi: true })).toEqual(['b'])
    expect(await list(serverWith('v3'), {})).toEqual([])
    await using registry = createNacosRegistry({ api: 'v3' })
    await assert.rejects(registry.listServices(), { code: 'SD_UNSUPPORTED', message: /adminApi/ })
  })

  test('malformed responses and failures are errors', async () => {
    const answering = (text: string): NacosConnection => connectionOf(async () => text)
    const list = (text: string, api: 'v1' | 'v3'): Promise<readonly unknown[]> =>
      chooseApi(answering(text), resolveNacosRegistryOptions({ api }))((one) => one.list('orders', signal))
    await assert.rejects(list('{}', 'v1'), { code: 'SD_MALFORMED' })
    await assert.rejects(list('<html>', 'v1'), { code: 'SD_MALFORMED' })
    await assert.rejects(list('{"code":0}', 'v3'), { code: 'SD_MALFORMED' })
    await assert.rejects(list('{"code":30000,"message":"server error"}', 'v3'), {
      code: 'SD_UNAVAILABLE',
      message: /server error/,
    })
  })
})

test('pages are read to the end, and not beyond', async () => {
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

test('a registration is verified until the server does not support it', async () => {
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
    (weight: number, metadata: object): (() => Promise<Readonly<Record<string, unknown>>>) =>
    async () => ({ weight, metadata })
  expect(await verifier.check(sent, held(1, { a: '1' }))).toBeUndefined()
  expect(await verifier.check(sent, held(1, { a: '0' }))).toBe(sent)
  expect(await verifier.check(sent, held(9, { a: '1' }))).toMatchObject({ weight: 1.000001, metadata: { 'sd.weight': '1' } })
  const failing = (code: 'SD_UNAVAILABLE' | 'SD_UNSUPPORTED') => async (): Promise<never> => {
    throw new SdError(code, 'no')
  }
  expect(await verifier.check(sent, failing('SD_UNAVAILABLE'))).toBeUndefined()
  expect(await verifier.check(sent, held(1, {}))).toBe(sent)
  expect(await verifier.check(sent, failing('SD_UNSUPPORTED'))).toBeUndefined()
  expect(await verifier.check(sent, held(1, {}))).toBeUndefined()
})
