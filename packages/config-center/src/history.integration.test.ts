import {
  type ConsulServer,
  type EtcdServer,
  obtainServer,
  startConsul,
  startEtcd,
  startZooKeeper,
  type ZooKeeperServer,
} from '@sd/test-servers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createConfigSource, openConfigHistory } from './index.ts'

const [etcd, consul, zookeeper] = [await obtainServer('etcd'), await obtainServer('consul'), await obtainServer('zookeeper')]

describe.runIf(etcd && consul && zookeeper)('on real servers', () => {
  let servers: { readonly etcd: EtcdServer; readonly consul: ConsulServer; readonly zookeeper: ZooKeeperServer }
  beforeAll(async () => {
    if (!etcd || !consul || !zookeeper) return
    const [one, two, three] = await Promise.all([startEtcd(etcd), startConsul(consul), startZooKeeper(zookeeper)])
    servers = { etcd: one, consul: two, zookeeper: three }
  })
  afterAll(() => Promise.all(Object.values(servers).map((server) => server.close())))

  test.each(['etcd', 'consul', 'zookeeper'] as const)(
    '%s: a source and its history are found by one URL, with the default prefix and another one',
    async (type) => {
      const url = `${type}://127.0.0.1:${servers[type].port}`
      const options = { key: 'orders.yaml', author: 'ann' }
      {
        await using opened = await openConfigHistory(url, options)
        await opened.history.put('pool:\n  size: 10\n  password: tiger\n', { comment: 'begin' })
        await opened.history.put('pool:\n  size: 1000\n  password: lion\n', { author: 'bob' })
      }
      // Another program, such as a command line.
      await using tool = await openConfigHistory({ type, servers: [`127.0.0.1:${servers[type].port}`] }, options)
      expect((await tool.history.list()).map(({ version, author, comment }) => [version, author, comment])).toEqual([
        [2, 'bob', undefined],
        [1, 'ann', 'begin'],
      ])
      expect(await tool.history.diff(1, 2)).toEqual([
        { path: 'pool.size', kind: 'updated', before: 10, after: 1000 },
        { path: 'pool.password', kind: 'updated', before: '***', after: '***' },
      ])
      await tool.history.rollback(1)
      await using reader = await createConfigSource(url)
      // No program reads the history as its configuration.
      expect((await reader.load()).entries.map(({ key, content }) => [key, content])).toEqual([
        ['orders.yaml', 'pool:\n  size: 10\n  password: tiger\n'],
      ])
      await using histories = await createConfigSource(`${url}/sd/config-history`)
      expect((await histories.load()).entries.map(({ key }) => key)).toEqual(['orders.yaml'])
      await using other = await openConfigHistory(`${url}/another/place`, options)
      expect(await other.history.list()).toEqual([])
    },
  )
})
