import { describe, expect, test } from 'vitest'
import { createKubernetesRegistry, type KubernetesRegistryOptions } from './index.ts'

const kubeconfig = JSON.stringify({
  'current-context': 'one',
  contexts: [{ name: 'one', context: { cluster: 'c', user: 'u' } }],
  clusters: [{ name: 'c', cluster: { server: 'https://10.0.0.1:6443' } }],
  users: [{ name: 'u', user: { token: 'very-secret' } }],
})

describe('options', () => {
  test.each<[string, unknown]>([
    ['labelSelector', 7],
    ['labels', []],
    ['labels', { 'a b': 'x' }],
    ['labels.a', { a: 'very long '.repeat(9) }],
    ['portName', 'x'.repeat(64)],
    ['ttlMs', 1],
    ['enabled', 'yes'],
    ['name', ''],
    ['prefix', '/x'],
    ['kubeconfig', ''],
    ['operationTimeoutMs', 0],
  ])('an invalid %s is refused: %j', (field, value) => {
    const options = { kubeconfig, [field.split('.', 1)[0] as string]: value }
    let caught: unknown
    try {
      createKubernetesRegistry(options as KubernetesRegistryOptions)
    } catch (error) {
      caught = error
    }
    expect(caught).toMatchObject({ code: 'SD_INVALID', field })
    expect(`${caught} ${(caught as Error).cause}`).not.toContain('very-secret')
  })

  test('a registry that is not enabled registers nothing', async () => {
    const registry = createKubernetesRegistry({ kubeconfig, enabled: false, name: 'k8s' })
    const registration = await registry.register({ service: 'orders', address: '10.0.0.1', port: 80 })
    expect(registration.state).toBe('closed')
    await registry.close()
  })
})
