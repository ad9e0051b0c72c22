// biome-ignore-all lint/suspicious/noTemplateCurlyInString: placeholders are written so.

import { randomUUID } from 'node:crypto'
import { Injectable } from '@nestjs/common'
import { createNacosConfigSource } from '@sd/config-nacos'
import { type NacosServer, obtainServer, startNacos } from '@sd/test-servers'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { ConfigValue, NacosConfig, NacosConfigModule, NacosValue, SdConfig, SdModule } from './index.ts'
import { closeAll, create, later, openRegistry, quick, rootOf } from './testing/shop.ts'

const nacos = await obtainServer('nacos')

afterEach(async () => {
  await closeAll()
  vi.unstubAllEnvs()
})

@NacosConfig({ dataId: 'db.yaml', group: 'SHARED', at: 'db' })
@Injectable()
class Database {
  @NacosValue<number>('${pool.size:5}')
  get size(): number {
    return 0
  }
}

@NacosConfig({ dataId: 'features.yaml' })
@Injectable()
class Features {
  @ConfigValue<boolean>('dark')
  get dark(): boolean {
    return false
  }
}

describe.runIf(nacos)('configuration from Nacos', () => {
  let server: NacosServer
  beforeAll(async () => {
    if (nacos) server = await startNacos(nacos)
  }, 60_000)
  afterAll(() => server.close())

  test('wins over the environment, and that over defaults, live; classes name their own data ids', {
    timeout: 60_000,
  }, async () => {
    const connection = { servers: [`127.0.0.1:${server.port}`], namespace: randomUUID() }
    const tool = createNacosConfigSource({
      ...connection,
      dataIds: ['orders.yaml', 'features.yaml', { dataId: 'db.yaml', group: 'SHARED' }],
    })
    later(() => tool.close())
    await tool.put('orders.yaml', 'c: nacos\n')
    await tool.put('SHARED/db.yaml', 'pool: { size: 8 }\n')
    await tool.put('features.yaml', 'dark: true\n')
    vi.stubEnv('ORDERS_B', 'environment')
    vi.stubEnv('ORDERS_C', 'environment')
    const defaults = { a: 'defaults', b: 'defaults', c: 'defaults' }
    const config = NacosConfigModule.forRoot({ ...connection, dataIds: ['orders.yaml'], defaults })
    const app = await create(rootOf([SdModule.forRoot(quick({ registry: openRegistry() })), config], [Database, Features]))
    await app.init()
    const live = app.get(SdConfig)
    expect(live.current).toEqual({ a: 'defaults', b: 'environment', c: 'nacos', dark: true, db: { pool: { size: 8 } } })
    expect([app.get(Database).size, app.get(Features).dark]).toEqual([8, true])
    await tool.put('SHARED/db.yaml', 'pool: { size: 9 }\n')
    await tool.put('orders.yaml', 'c: newer\n')
    await expect.poll(() => app.get(Database).size, { timeout: 20_000 }).toBe(9)
    await expect.poll(() => live.get('c' as never), { timeout: 20_000 }).toBe('newer')
  })

  test('comes from a factory, too', async () => {
    const useFactory = () => ({ servers: [`127.0.0.1:${server.port}`], dataIds: ['none.yaml'], defaults: { a: 1 } })
    const app = await create(
      rootOf([SdModule.forRoot(quick({ registry: openRegistry() })), NacosConfigModule.forRootAsync({ useFactory })]),
    )
    expect(app.get(SdConfig).current).toEqual({ a: 1 })
  })
})

test.each<[string, RegExp, object]>([
  ['data ids', /dataIds/, {}],
  ['a center of another kind', /SdConfigModule/, { dataIds: ['a.yaml'], center: [] }],
  ['an unknown option', /dataIdz/, { dataIds: ['a.yaml'], dataIdz: [] }],
  ['an unknown option of the source', /severs/, { dataIds: ['a.yaml'], source: { severs: [] } }],
])('%s is refused or missing when the application is created', async (_, message, options) => {
  const imports = [SdModule.forRoot(quick({ registry: 'memory:' })), NacosConfigModule.forRoot(options)]
  await expect(create(rootOf(imports))).rejects.toThrow(message)
})
