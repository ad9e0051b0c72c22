import { readFile } from 'node:fs/promises'
import { type Registry, SdError } from '@sd/core'
import { type KubernetesServer, obtainServer, startKubernetes } from '@sd/test-servers'
import { eventually, probeWatch } from '@sd/testing'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { createKubernetesRegistry } from './index.ts'
import { type Cluster, createCluster } from './testing/cluster.ts'

const etcd = await obtainServer('etcd', { own: true })
const kubernetes = await obtainServer('kubernetes', { own: true })
// Restarting an API server takes 20 s while other tests keep the machine busy.
const limitMs = 60_000
const tokens = { reader: 'token-of-the-reader', writer: 'token-of-the-writer', nobody: 'token-of-nobody' }
const spec = { service: 'orders', id: 'o-1', address: '10.0.0.1', port: 80 }

describe.runIf(etcd && kubernetes)('permissions', { timeout: 240_000 }, () => {
  let server: KubernetesServer
  let cluster: Cluster
  let open: Registry[] = []
  beforeAll(async () => {
    if (etcd && kubernetes) server = await startKubernetes({ etcd, kubernetes }, { tokens })
  }, 180_000)
  afterAll(() => server.close())
  beforeEach(async () => {
    cluster = await createCluster(server)
    const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8')
    for (const role of parseAllDocuments(/```yaml\n([\s\S]*?)```/.exec(readme)?.[1] ?? '')) await callRbac('roles', role.toJS())
    await bind('reader', 'sd-discover')
    await bind('writer', 'sd-register')
  })
  afterEach(async () => {
    await Promise.all(open.map((registry) => registry.close()))
    open = []
  })

  const rbac = 'rbac.authorization.k8s.io'
  const callRbac = (kind: string, body: object): Promise<unknown> =>
    server.call('POST', `/apis/${rbac}/v1/namespaces/${cluster.namespace}/${kind}`, body)
  const bind = (user: string, role: string): Promise<unknown> =>
    callRbac('rolebindings', {
      metadata: { name: `${user}-${role}` },
      roleRef: { apiGroup: rbac, kind: 'Role', name: role },
      subjects: [{ kind: 'User', name: user, apiGroup: rbac }],
    })

  function as(token: string): Registry {
    const registry = createKubernetesRegistry({ kubeconfig: server.kubeconfig({ token, namespace: cluster.namespace }) })
    open.push(registry)
    return registry
  }
  const count = async (registry: Registry): Promise<number> => (await registry.getInstances('orders')).instances.length

  test("the README's Roles are sufficient", async () => {
    const [reader, writer] = [as(tokens.reader), as(tokens.writer)]
    const registration = await writer.register({ ...spec, ttlMs: 2_000 })
    await registration.update({ weight: 2 })
    const probe = probeWatch((options) => reader.watch('orders', options), limitMs)
    await probe.until(({ instances }) => expect(instances[0]?.weight).toBe(2))
    expect(await reader.listServices()).toEqual(['orders'])
    await expect(reader.register(spec)).rejects.toMatchObject({ code: 'SD_DENIED' })
    await new Promise((resolve) => setTimeout(resolve, 3_000))
    expect(registration.state).toBe('active')
    await registration.deregister()
    await probe.until(({ instances }) => expect(instances).toEqual([]))
    await probe.stop()
    const watch = probeWatch((options) => writer.watch('orders', options), limitMs)
    await expect(watch.ended).rejects.toMatchObject({ code: 'SD_DENIED' })
  })

  test('a caller that may not read leases finds Pods, and gets an error for registrations', async () => {
    const rules = [{ apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: ['list', 'watch'] }]
    await callRbac('roles', { metadata: { name: 'slices' }, rules })
    await bind('nobody', 'slices')
    const registry = as(tokens.nobody)
    await cluster.createSlice({
      metadata: { name: 'users-1', labels: { 'kubernetes.io/service-name': 'users' } },
      addressType: 'IPv4',
      endpoints: [{ addresses: ['10.0.0.9'] }],
      ports: [{ port: 80 }],
    })
    await as('admin-token').register(spec)
    const users = probeWatch((options) => registry.watch('users', options), limitMs)
    await users.until(({ instances }) => expect(instances).toHaveLength(1))
    const orders = probeWatch((options) => registry.watch('orders', options), limitMs)
    await expect(orders.ended).rejects.toMatchObject({ code: 'SD_DENIED' })
    await expect(count(registry)).rejects.toMatchObject({ code: 'SD_DENIED' })
    expect((await registry.getInstances('users')).instances).toHaveLength(1)
    expect(users.seen.at(-1)?.stale).toBeUndefined()

    await bind('nobody', 'sd-discover')
    await eventually(async () => expect(await count(registry)).toBe(1), limitMs)
    const again = probeWatch((options) => registry.watch('orders', options), limitMs)
    await again.until(({ instances }) => expect(instances).toHaveLength(1))
    await Promise.all([users.stop(), again.stop()])
  })

  test('an API server that restarts and does not know the permissions yet ends nothing', async () => {
    const registration = await as(tokens.writer).register({ ...spec, ttlMs: 3_000 })
    const readers = Array.from({ length: 10 }, () => as(tokens.reader))
    const probes = readers.map((reader) => probeWatch((options) => reader.watch('orders', options), limitMs))
    await Promise.all(probes.map((probe) => probe.until(({ instances }) => expect(instances).toHaveLength(1))))
    for (let round = 0; round < 3; round++) {
      await server.kill()
      await Promise.all(probes.map((probe) => probe.untilStale(true)))
      await server.start()
      await Promise.all(probes.map((probe) => probe.untilStale(false)))
    }
    await eventually(() => expect(registration.state).toBe('active'), limitMs)
    for (const probe of probes) expect(probe.seen.at(-1)?.value?.instances).toHaveLength(1)
    await Promise.all(probes.map((probe) => probe.stop()))
  })

  test('a wrong login and a missing permission are denied, without the token', async () => {
    for (const token of ['wrong-token', tokens.nobody]) {
      const registry = as(token)
      const caught = await registry.getInstances('orders').catch((error: unknown) => error)
      expect(caught instanceof SdError && caught.code).toBe('SD_DENIED')
      expect(`${(caught as Error).message} ${JSON.stringify(caught)}`).not.toContain(token)
      await expect(registry.register(spec)).rejects.toMatchObject({ code: 'SD_DENIED' })
      const watch = probeWatch((options) => registry.watch('orders', options), limitMs)
      await expect(watch.ended).rejects.toMatchObject({ code: 'SD_DENIED' })
    }
  })
})
