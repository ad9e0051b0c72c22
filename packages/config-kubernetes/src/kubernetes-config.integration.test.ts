import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { ConfigDocument, WritableConfigSource } from '@sd/core'
import { type KubernetesServer, obtainServer, startKubernetes } from '@sd/test-servers'
import { probeWatch, type WatchProbe } from '@sd/testing'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { createKubernetesConfigSource, type KubernetesConfigSourceOptions } from './index.ts'
import { createKubectl, type Kubectl } from './testing/kubectl.ts'

const etcd = await obtainServer('etcd', { own: true })
const kubernetes = await obtainServer('kubernetes', { own: true })
const limitMs = 20_000
const tokens = { reader: 'token-of-the-reader', writer: 'token-of-the-writer' }

/** Keys and contents, in their order. */
function textsOf({ entries }: ConfigDocument): readonly (readonly [string, string])[] {
  return entries.map(({ key, content }) => [key, content])
}

describe.runIf(etcd && kubernetes)('configuration in Kubernetes', { timeout: 60_000 }, () => {
  let server: KubernetesServer
  let namespace: string
  let configMaps: Kubectl
  let secrets: Kubectl
  const open: WritableConfigSource[] = []
  beforeAll(async () => {
    if (etcd && kubernetes) server = await startKubernetes({ etcd, kubernetes }, { tokens })
  }, 180_000)
  afterAll(() => server.close())
  beforeEach(async () => {
    namespace = `test-${randomUUID()}`
    await server.call('POST', '/api/v1/namespaces', { metadata: { name: namespace } })
    configMaps = createKubectl(server, namespace, 'configmaps')
    secrets = createKubectl(server, namespace, 'secrets')
  })
  afterEach(async () => {
    await Promise.all(open.splice(0).map((source) => source.close()))
  })

  function connect(options: KubernetesConfigSourceOptions, token?: string): WritableConfigSource {
    const kubeconfig = server.kubeconfig({ namespace, ...(token !== undefined && { token }) })
    const source = createKubernetesConfigSource({ kubeconfig, ...options })
    open.push(source)
    return source
  }
  const follow = (source: WritableConfigSource): WatchProbe<ConfigDocument> =>
    probeWatch((options) => source.watch(options), limitMs)

  test('ConfigMaps come in the order of their names, Secrets after them, each by key', async () => {
    await configMaps.write('orders/b.yaml', 'b')
    await configMaps.write('orders/a.json', Buffer.from('a'))
    await configMaps.write('base/x', 'x')
    await configMaps.write('other/x', 'other')
    await secrets.write('orders-db/password', 's3cret')
    const source = connect({ configMaps: ['orders', 'base'], secrets: ['orders-db'] })
    const document = await source.load()
    expect(textsOf(document)).toEqual([
      ['orders/a.json', 'a'],
      ['orders/b.yaml', 'b'],
      ['base/x', 'x'],
      ['orders-db/password', 's3cret'],
    ])
    expect(document.entries.map(({ format, isSecret }) => [format, isSecret])).toEqual([
      ['json', undefined],
      ['yaml', undefined],
      ['text', undefined],
      ['text', true],
    ])
  })

  test('of a ConfigMap and a Secret with one name the Secret wins, and is written to if it has the key', async () => {
    await configMaps.write('orders/url', 'plain')
    await configMaps.write('orders/x', 'x')
    await secrets.write('orders/url', 'secret')
    const source = connect({ configMaps: ['orders'], secrets: ['orders'] })
    const both = ['orders/x', 'orders/url']
    expect((await source.load()).entries.map(({ key }) => key)).toEqual(both)
    expect(await source.put('orders/url', 'secret 2')).toMatchObject({ content: 'secret 2', isSecret: true })
    expect(await source.put('orders/x', 'x 2')).not.toHaveProperty('isSecret')
    expect(await source.put('orders/new', 'x')).toHaveProperty('isSecret', true)
    expect((await configMaps.call('GET', '/orders')).data).toEqual({ url: 'plain', x: 'x 2' })
  })

  test('a missing object is empty, and is seen when it is created, changed and deleted', async () => {
    const source = connect({ configMaps: ['orders'], secrets: ['orders-db'] })
    const probe = follow(source)
    await probe.until(({ entries }) => expect(entries).toEqual([]))
    await secrets.write('orders-db/password', 'first')
    await probe.until((document) => expect(textsOf(document)).toEqual([['orders-db/password', 'first']]))
    await secrets.write('orders-db/password', 'rotated')
    await probe.until((document) => expect(textsOf(document)).toEqual([['orders-db/password', 'rotated']]))
    await secrets.call('DELETE', '/orders-db')
    await probe.until(({ entries }) => expect(entries).toEqual([]))
    expect(probe.seen.every(({ stale }) => stale === undefined)).toBe(true)
    await probe.stop()
  })

  test('a missing required object is an error, and the last values stay', async () => {
    const source = connect({ configMaps: ['orders'], required: true })
    const missing = { code: 'SD_NOT_FOUND', message: expect.stringContaining('ConfigMap orders') }
    await expect(source.load()).rejects.toMatchObject(missing)
    const probe = follow(source)
    await probe.untilStale(true)
    expect(probe.seen.at(-1)?.value).toBeUndefined()
    await configMaps.write('orders/a', '1')
    await probe.until((document) => expect(textsOf(document)).toEqual([['orders/a', '1']]))
    await configMaps.call('DELETE', '/orders')
    await probe.untilStale(true)
    expect(probe.seen.at(-1)).toMatchObject({ value: { entries: [{ content: '1' }] }, stale: { error: missing } })
    await configMaps.write('orders/a', '2')
    await probe.until((document) => expect(textsOf(document)).toEqual([['orders/a', '2']]))
    await probe.untilStale(false)
    await probe.stop()
  })

  test('objects are found by label, and sorted by name', async () => {
    const source = connect({ configMaps: { labelSelector: 'app=orders' } })
    const probe = follow(source)
    await probe.until(({ entries }) => expect(entries).toEqual([]))
    const label = (name: string, app: string | null): Promise<unknown> =>
      configMaps.call('PATCH', `/${name}`, { metadata: { labels: { app } } })
    for (const name of ['c', 'a', 'b']) {
      await configMaps.write(`${name}/key`, name)
      if (name !== 'b') await label(name, 'orders')
    }
    const texts = (...names: readonly string[]): unknown => names.map((name) => [`${name}/key`, name])
    await probe.until((document) => expect(textsOf(document)).toEqual(texts('a', 'c')))
    await label('b', 'orders')
    await label('a', null)
    await probe.until((document) => expect(textsOf(document)).toEqual(texts('b', 'c')))
    await source.put('b/key', 'B')
    await probe.until((document) => expect(textsOf(document)[0]).toEqual(['b/key', 'B']))
    for (const name of ['a', 'missing']) {
      await expect(source.put(`${name}/key`, 'x')).rejects.toMatchObject({ code: 'SD_NOT_FOUND' })
      await source.delete(`${name}/key`)
    }
    await probe.stop()
  })

  test('writers of other keys of one object do not conflict', async () => {
    const [one, other] = [connect({ configMaps: ['orders'] }), connect({ configMaps: ['orders'] })]
    const keys = Array.from({ length: 10 }, (_, index) => `orders/key-${index}`)
    await Promise.all(keys.map((key, index) => (index % 2 ? one : other).put(key, '1', { ifRevision: null })))
    const document = await one.load()
    expect(textsOf(document)).toEqual(keys.map((key) => [key, '1']))
    const [first] = document.entries
    await configMaps.write('orders/key-1', 'meanwhile')
    await one.put('orders/key-0', '2', { ifRevision: first?.revision as string })
    expect(textsOf(await other.load()).slice(0, 2)).toEqual([
      ['orders/key-0', '2'],
      ['orders/key-1', 'meanwhile'],
    ])
  })

  test('changes of other tools in the object are kept, and have no author', async () => {
    const metadata = { name: 'orders', labels: { team: 'a' }, annotations: { 'example.org/x': 'y' } }
    await configMaps.call('POST', '', { metadata, data: { a: '1' } })
    const source = connect({ configMaps: ['orders'] })
    expect(await source.put('orders/b', '2', { author: 'Zoë', comment: 'because' })).toMatchObject({ author: 'Zoë' })
    const object = await configMaps.call('GET', '/orders')
    expect(object).toMatchObject({ metadata, data: { a: '1', b: '2' } })
    await configMaps.write('orders/b', 'edited')
    expect((await source.load()).entries[1]).toEqual(expect.not.objectContaining({ author: expect.anything() }))
  })

  test('a rejection by Kubernetes is reported without the content', async () => {
    const source = connect({ configMaps: ['orders', 'fixed'], secrets: ['orders-db'] })
    await source.put('orders-db/a', 'secret'.repeat(100_000))
    const rejected = await source.put('orders-db/b', 'secret'.repeat(100_000)).catch((error: unknown) => error)
    expect(rejected).toMatchObject({ code: 'SD_TOO_LARGE', retryable: false })
    expect((rejected as Error).message).not.toContain('secretsecret')
    await configMaps.call('POST', '', { metadata: { name: 'fixed' }, data: { a: '1' }, immutable: true })
    const immutable = { code: 'SD_UNSUPPORTED', message: expect.stringContaining('ConfigMap fixed is immutable') }
    await expect(source.put('fixed/a', '2')).rejects.toMatchObject(immutable)
    await expect(source.delete('fixed/a')).rejects.toMatchObject(immutable)
    await source.delete('fixed/missing')
    const elsewhere = connect({ namespace: 'nowhere', configMaps: ['orders'] })
    await expect(elsewhere.put('orders/a', '1')).rejects.toMatchObject({ code: 'SD_NOT_FOUND' })
  })

  test('a missing namespace is not an empty configuration, and a watch waits for it', async () => {
    const missing = `test-${randomUUID()}`
    const source = connect({ namespace: missing, configMaps: ['orders'], secrets: ['orders-db'] })
    const error = { code: 'SD_NOT_FOUND', field: 'namespace', retryable: true, message: expect.stringContaining(missing) }
    await expect(source.load()).rejects.toMatchObject(error)
    const probe = follow(source)
    await probe.untilStale(true)
    expect(probe.seen.at(-1)).toMatchObject({ stale: { error } })
    expect(probe.seen.at(-1)).not.toHaveProperty('value')
    await server.call('POST', '/api/v1/namespaces', { metadata: { name: missing } })
    await probe.until(({ entries }) => expect(entries).toEqual([]))
    await probe.stop()
  })

  test("the README's Roles are sufficient, and a missing permission is named", async () => {
    const rbac = `/apis/rbac.authorization.k8s.io/v1/namespaces/${namespace}`
    const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8')
    const roles = parseAllDocuments(/```yaml\n([\s\S]*?)```/.exec(readme)?.[1] ?? '').map((role) => role.toJS())
    for (const role of roles) await server.call('POST', `${rbac}/roles`, role)
    const bind = (user: string, role: string): Promise<unknown> =>
      server.call('POST', `${rbac}/rolebindings`, {
        metadata: { name: `${user}-${role}` },
        roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: role },
        subjects: [{ kind: 'User', name: user, apiGroup: 'rbac.authorization.k8s.io' }],
      })
    await Promise.all([bind('reader', 'sd-config'), bind('writer', 'sd-config'), bind('writer', 'sd-config-write')])
    const choice = { configMaps: ['orders', 'orders-flags'], secrets: ['orders-db'] }
    const [reader, writer] = [connect(choice, tokens.reader), connect(choice, tokens.writer)]
    const probe = follow(reader)
    await probe.until(({ entries }) => expect(entries).toEqual([]))
    await writer.put('orders/app.yaml', 'a: 1')
    await writer.put('orders/app.yaml', 'a: 2')
    await writer.put('orders-flags/gray', 'on')
    await writer.delete('orders-flags/gray')
    await probe.until((document) => expect(textsOf(document)).toEqual([['orders/app.yaml', 'a: 2']]))
    await probe.stop()

    const denied = (verb: string, resource: string): object => ({
      code: 'SD_DENIED',
      message: expect.stringMatching(`cannot ${verb} resource "${resource}"`),
    })
    await expect(reader.put('orders/app.yaml', 'x')).rejects.toMatchObject(denied('update', 'configmaps'))
    await expect(writer.put('orders-db/password', 'x')).rejects.toMatchObject(denied('create', 'secrets'))
    for (const [options, resource] of [
      [{ configMaps: ['other'] }, 'configmaps'],
      [{ secrets: { labelSelector: 'app=orders' } }, 'secrets'],
    ] as const) {
      const source = connect(options, tokens.reader)
      await expect(source.load()).rejects.toMatchObject(denied('list', resource))
      await expect(follow(source).ended).rejects.toMatchObject(denied('list', resource))
    }
  })

  test('a watch continues after silence, without being stale', async () => {
    const source = connect({ configMaps: ['orders'], secrets: ['orders-db'], operationTimeoutMs: 1_000 })
    const probe = follow(source)
    await probe.until(({ entries }) => expect(entries).toEqual([]))
    await new Promise((resolve) => setTimeout(resolve, 4_500))
    await configMaps.write('orders/a', '1')
    await probe.until((document) => expect(textsOf(document)).toEqual([['orders/a', '1']]))
    expect(probe.seen.every(({ stale }) => stale === undefined)).toBe(true)
    await probe.stop()
  })
})
