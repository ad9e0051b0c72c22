import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { createKubernetesConnection, type KubernetesConnection } from './kubernetes-connection.ts'
import { type KubernetesConnectionOptions, resolveKubernetesConnectionOptions } from './options.ts'

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

function connect(options: KubernetesConnectionOptions): KubernetesConnection {
  return createKubernetesConnection(resolveKubernetesConnectionOptions(options, 'kubernetes'))
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
    ['operationTimeoutMs', 0],
  ])('an invalid %s is refused: %j', (field, value) => {
    let caught: unknown
    try {
      connect({ kubeconfig: kubeconfig(), [field]: value })
    } catch (error) {
      caught = error
    }
    expect(caught).toMatchObject({ code: 'SD_INVALID', field })
    expect(`${caught} ${(caught as Error).cause}`).not.toContain('very-secret')
  })

  test('a context without a cluster, and one with an invalid namespace, are refused', () => {
    expect(() => connect({ kubeconfig: kubeconfig(), context: 'two' })).toThrow('Invalid kubeconfig')
    expect(() => connect({ kubeconfig: kubeconfig(undefined, 'Bad!') })).toThrow('Invalid namespace')
  })

  test("the namespace is the option's, else the context's, else default", () => {
    expect(connect({ kubeconfig: kubeconfig(undefined, 'shop'), namespace: 'billing' }).namespace).toBe('billing')
    expect(connect({ kubeconfig: kubeconfig(undefined, 'shop') }).namespace).toBe('shop')
    expect(connect({ kubeconfig: kubeconfig() }).namespace).toBe('default')
  })

  test('a path, a text and the environment are read', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sd-kubeconfig-'))
    const file = join(folder, 'config')
    const before = process.env['KUBECONFIG']
    try {
      await writeFile(file, kubeconfig(undefined, 'shop'))
      process.env['KUBECONFIG'] = file
      for (const options of [{ kubeconfig: file }, { kubeconfig: kubeconfig(undefined, 'shop') }, {}]) {
        const connection = connect(options)
        expect(connection.namespace).toBe('shop')
        connection.close()
      }
    } finally {
      if (before === undefined) delete process.env['KUBECONFIG']
      else process.env['KUBECONFIG'] = before
      await rm(folder, { recursive: true })
    }
  })
})
