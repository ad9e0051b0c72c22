import { type KubernetesServer, obtainServer, startKubernetes } from '@sd/test-servers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openConfigHistory } from './index.ts'

const [etcd, kubernetes] = [await obtainServer('etcd', { own: true }), await obtainServer('kubernetes', { own: true })]

describe.runIf(etcd && kubernetes)('on Kubernetes', () => {
  let server: KubernetesServer
  beforeAll(async () => {
    if (etcd && kubernetes) server = await startKubernetes({ etcd, kubernetes })
  }, 180_000)
  afterAll(() => server.close())

  test.each([
    ['a ConfigMap', 'configmaps', { configMaps: ['orders'] }],
    ['a Secret', 'secrets', { secrets: ['orders'] }],
  ] as const)('the history of an entry of %s is in an object of the same kind', async (_, kind, choice) => {
    const config = { type: 'kubernetes', kubeconfig: server.kubeconfig({ namespace: 'default' }), ...choice }
    const options = { key: 'orders/app.yaml', author: 'ann' }
    {
      await using opened = await openConfigHistory(config, options)
      await opened.history.put('size: 10\n')
      await opened.history.put('size: 20\n')
    }
    await using tool = await openConfigHistory(config, options)
    expect((await tool.history.list()).map(({ version }) => version)).toEqual([2, 1])
    const shown = kind === 'secrets' ? { before: '***', after: '***' } : { before: 10, after: 20 }
    expect(await tool.history.diff(1, 2)).toEqual([{ path: 'size', kind: 'updated', ...shown }])
    expect((await tool.source.load()).entries.map(({ key }) => key)).toEqual(['orders/app.yaml'])
    const { metadata } = (await server.call('GET', `/api/v1/namespaces/default/${kind}/orders-history`)) as {
      readonly metadata: { readonly name: string }
    }
    expect(metadata.name).toBe('orders-history')
  })
})
