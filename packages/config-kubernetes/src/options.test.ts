import { describe, expect, test } from 'vitest'
import { createKubernetesConfigSource, type KubernetesConfigSourceOptions } from './index.ts'

const kubeconfig = JSON.stringify({
  'current-context': 'one',
  contexts: [{ name: 'one', context: { cluster: 'c', user: 'u' } }],
  clusters: [{ name: 'c', cluster: { server: 'https://10.0.0.1:6443' } }],
  users: [{ name: 'u', user: {} }],
})

describe('options', () => {
  test.each<[string, unknown]>([
    ['configMaps', 'orders'],
    ['configMaps', null],
    ['configMaps', Array.from({ length: 33 }, (_, index) => `orders-${index}`)],
    ['configMaps[0]', ['Orders']],
    ['configMaps[0]', ['a..b']],
    ['configMaps[1]', ['orders', 7]],
    ['configMaps[1]', ['orders', 'orders']],
    ['configMaps.labelSelector', { labelSelector: '' }],
    ['configMaps.labels', { labelSelector: 'a=b', labels: {} }],
    ['secrets[0]', ['x'.repeat(254)]],
    ['secrets.labelSelector', {}],
    ['required', 'yes'],
    ['name', ''],
    ['namespace', 'Shop'],
    ['prefix', '/x'],
  ])('a bad %s is refused: %j', (field, value) => {
    const options = { kubeconfig, configMaps: ['orders'], [field.split(/[.[]/, 1)[0] as string]: value }
    expect(() => createKubernetesConfigSource(options as KubernetesConfigSourceOptions)).toThrow(
      expect.objectContaining({ code: 'SD_INVALID', field }),
    )
  })

  test('at least one object must be selected', () => {
    for (const nothing of [{}, { configMaps: [] }, { configMaps: [], secrets: [] }]) {
      expect(() => createKubernetesConfigSource({ kubeconfig, ...nothing })).toThrow('Invalid configMaps')
    }
  })

  test('all valid kinds of names are accepted', async () => {
    const source = createKubernetesConfigSource({
      kubeconfig,
      configMaps: { labelSelector: 'app=orders' },
      secrets: ['orders.v2'],
    })
    expect([source.name, source.state]).toEqual(['config-kubernetes', 'disconnected'])
    for (const key of ['orders', 'Orders/a', 'orders/a/b', 'orders/a b', 'orders/..data', 'a..b/c']) {
      await expect(source.put(key, 'x'), key).rejects.toMatchObject({ code: 'SD_INVALID', field: 'key' })
    }
    await source.close()
    const one = createKubernetesConfigSource({ kubeconfig, secrets: ['orders'], name: 'k8s' })
    await expect(one.put('users/a', 'x')).rejects.toMatchObject({ code: 'SD_INVALID', field: 'key' })
    await one.close()
    expect(one.name).toBe('k8s')
  })
})
