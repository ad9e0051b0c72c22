import { type ConsulServer, createRotation, obtainServer, startConsul } from '@sd/test-servers'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { createConsulConnection, followQuery, ping, resolveConsulConnectionOptions } from './index.ts'

const consul = await obtainServer('consul', { own: true })

describe.runIf(consul)('connection-consul', { timeout: 60_000 }, () => {
  let server: ConsulServer
  beforeAll(async () => {
    if (consul) server = await startConsul(consul)
  })
  afterAll(() => server.close())

  test('follows a key', async () => {
    const connection = createConsulConnection(resolveConsulConnectionOptions({ servers: [`127.0.0.1:${server.port}`] }, 'test'))
    await connection.run(ping)
    const controller = new AbortController()
    const found: unknown[] = []
    await followQuery(connection, ({ client }, query) => client.kv.get({ ...query, key: 'my/key' }), {
      signal: controller.signal,
      async onFound({ body }) {
        found.push((body as { readonly Value: string } | undefined)?.Value)
        if (found.length === 1) await server.call('PUT', '/v1/kv/my/key', 'x')
        else controller.abort()
      },
    })
    expect(found).toEqual([undefined, '"x"'])
    connection.close()
  })

  test('reconnects to an agent with certificates of another CA, once the files contain them', async () => {
    if (!consul) return
    await using rotation = await createRotation()
    await using rotated = await startConsul(consul, { tls: rotation.certificates })
    const settings = { servers: [`https://localhost:${rotated.port}`], tls: rotation.tls }
    const connection = createConsulConnection(resolveConsulConnectionOptions(settings, 'test'))
    await vi.waitFor(() => connection.run(ping), { timeout: 20_000, interval: 100 })
    for (let round = 0; round < 2; round++) {
      await rotation.rotate(rotated)
      await vi.waitFor(() => connection.run(ping), { timeout: 20_000, interval: 100 })
    }
    connection.close()
  })
})
