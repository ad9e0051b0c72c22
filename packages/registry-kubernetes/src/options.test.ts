import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { createKubernetesRegistry, type KubernetesRegistryOptions } from './index.ts'

function kubeconfig(cluster: object = { server: 'https://10.0.0.1:6443' }, namespace?: string): string {
  return JSON.stringify({
    'current-context': 'one',
    contexts: [
      { name: 'one', context: { cluster: 'c', user: 'u', namespace } },
      { name: 'two', context: { cluster: 'none', user: 'u' } },
    ],
    clusters: [{ name: 'c', cluster }],
    users: [{ name: 'u', user: { token: 'very-secret' } }],
  })
}

describe('options', () => {
  test.each<[string, unknown]>([
    ['kubeconfig', ''],
    ['kubeconfig', 7],
    ['kubeconfig', 'in-cluster'],
    ['kubeconfig', '/nowhere/kubeconfig'],
    ['kubeconfig', '{"users": [{"name": "u", "user": {"token": "very-secret"'],
    ['kubeconfig', '\nclusters:\n  - very-secret: {'],
    ['kubeconfig', kubeconfig({ server: 'http://10.0.0.1:8080' })],
    ['kubeconfig', kubeconfig({ server: '10.0.0.1:6443' })],
    ['kubeconfig', kubeconfig(undefined).replace('"current-context":"one"', '"current-context":"none"')],
    ['context', 'three'],
    ['token', ''],
    ['namespace', 'Upper'],
    ['namespace', '-x'],
    ['labelSelector', 7],
    ['labels', []],
    ['labels', { 'a b': 'x' }],
    ['labels.a', { a: 'very long '.repeat(9) }],
    ['portName', 'x'.repeat(64)],
    ['ttlMs', 1],
    ['operationTimeoutMs', 0],
    ['enabled', 'yes'],
    ['name', ''],
    ['prefix', '/x'],
  ])('a bad %s is refused: %j', (field, value) => {
    const options = { kubeconfig: kubeconfig(), [field.split('.', 1)[0] as string]: value }
    let caught: unknown
    try {
      createKubernetesRegistry(options as KubernetesRegistryOptions)
    } catch (error) {
      caught = error
    }
    expect(caught).toMatchObject({ code: 'SD_INVALID', field })
    expect(`${caught} ${(caught as Error).cause}`).not.toContain('very-secret')
  })

  test('a context without a cluster, and one with a bad namespace, are refused', () => {
    expect(() => createKubernetesRegistry({ kubeconfig: kubeconfig(), context: 'two' })).toThrow('Invalid kubeconfig')
    expect(() => createKubernetesRegistry({ kubeconfig: kubeconfig(undefined, 'Bad!') })).toThrow('Invalid namespace')
  })

  test('a path, a text and the environment are read', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sd-kubeconfig-'))
    const file = join(folder, 'config')
    const before = process.env['KUBECONFIG']
    try {
      await writeFile(file, kubeconfig())
      process.env['KUBECONFIG'] = file
      for (const options of [{ kubeconfig: file }, { kubeconfig: kubeconfig() }, {}]) {
        const registry = createKubernetesRegistry(options)
        expect(registry.name).toBe('kubernetes')
        await registry.close()
        expect(registry.state).toBe('closed')
      }
    } finally {
      if (before === undefined) delete process.env['KUBECONFIG']
      else process.env['KUBECONFIG'] = before
      await rm(folder, { recursive: true })
    }
  })

  test('a registry that is not enabled registers nothing', async () => {
    const registry = createKubernetesRegistry({ kubeconfig: kubeconfig(), enabled: false, name: 'k8s' })
    const registration = await registry.register({ service: 'orders', address: '10.0.0.1', port: 80 })
    expect(registration.state).toBe('closed')
    await registry.close()
  })
})

test('Bun is told that it can not run this', () => {
  vi.stubGlobal('Bun', {})
  expect(() => createKubernetesRegistry({ kubeconfig: kubeconfig() })).toThrow(
    expect.objectContaining({ code: 'SD_UNSUPPORTED', message: expect.stringContaining('needs Node') }),
  )
  vi.unstubAllGlobals()
})
