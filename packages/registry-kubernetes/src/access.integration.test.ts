import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadAllYaml } from '@kubernetes/client-node'
import { type Registry, SdError } from '@sd/core'
import { createCertificates, type KubernetesServer, obtainServer, startKubernetes } from '@sd/test-servers'
import { eventually, probeWatch } from '@sd/testing'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createKubernetesRegistry, type KubernetesRegistryOptions } from './index.ts'
import { type Cluster, createCluster } from './testing/cluster.ts'

const etcd = await obtainServer('etcd', { own: true })
const kubernetes = await obtainServer('kubernetes', { own: true })
const limitMs = 20_000
const tokens = { reader: 'token-of-the-reader', writer: 'token-of-the-writer', nobody: 'token-of-nobody' }
const spec = { service: 'orders', id: 'o-1', address: '10.0.0.1', port: 80 }

describe.runIf(etcd && kubernetes)('logins and permissions', { timeout: 90_000 }, () => {
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
    for (const role of loadAllYaml(/```yaml\n([\s\S]*?)```/.exec(readme)?.[1] ?? '')) await callRbac('roles', role as object)
    await bind('reader', 'sd-discover')
    await bind('tester', 'sd-discover')
    await bind('writer', 'sd-register')
  })
  afterEach(async () => {
    await Promise.all(open.map((registry) => registry.close()))
    open = []
  })

  const rbac = 'rbac.authorization.k8s.io'
  const callRbac = (kind: string, body: object): Promise<unknown> =>
    server.call('POST', `/apis/${rbac}/v1/namespaces/${cluster.namespace}/${kind}`, body)
  const bind = (user: string, role: string, kind: string = 'User'): Promise<unknown> =>
    callRbac('rolebindings', {
      metadata: { name: `${user}-${role}` },
      roleRef: { apiGroup: rbac, kind: 'Role', name: role },
      subjects: [{ kind, name: user, ...(kind === 'User' ? { apiGroup: rbac } : { namespace: cluster.namespace }) }],
    })

  function connect(options: KubernetesRegistryOptions): Registry {
    const registry = createKubernetesRegistry({ namespace: cluster.namespace, ...options })
    open.push(registry)
    return registry
  }
  const as = (token: string): Registry => connect({ kubeconfig: server.kubeconfig({ token }) })
  const count = async (registry: Registry): Promise<number> => (await registry.getInstances('orders')).instances.length

  test("the README's Roles are enough", async () => {
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

  test('who may not read leases finds Pods, and is told so for registrations', async () => {
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
      expect(SdError.isInstance(caught) && caught.code).toBe('SD_DENIED')
      expect(`${(caught as Error).message} ${JSON.stringify(caught)}`).not.toContain(token)
      await expect(registry.register(spec)).rejects.toMatchObject({ code: 'SD_DENIED' })
      const watch = probeWatch((options) => registry.watch('orders', options), limitMs)
      await expect(watch.ended).rejects.toMatchObject({ code: 'SD_DENIED' })
    }
  })

  test('a client certificate is a login, and a wrong authority is no answer', async () => {
    const { client } = server.certificates
    const kubeconfig = server.kubeconfig({ token: null, client })
    expect(await count(connect({ kubeconfig }))).toBe(0)
    await expect(connect({ kubeconfig, namespace: 'kube-system' }).ping()).rejects.toThrow('User "tester" cannot list')
    const { ca } = await createCertificates()
    const distrusting = connect({ kubeconfig: server.kubeconfig({ ca }) })
    await expect(distrusting.ping()).rejects.toMatchObject({ code: 'SD_UNAVAILABLE', retryable: true })
    await expect(distrusting.ping()).rejects.toThrow(/certificate/)
  })

  test('the option token wins, and is asked again', async () => {
    let token: string = tokens.nobody
    const registry = connect({ kubeconfig: server.kubeconfig({ token: 'wrong' }), token: async () => token })
    await expect(registry.ping()).rejects.toMatchObject({ code: 'SD_DENIED' })
    token = tokens.reader
    await registry.ping()
  })

  test('a rotated token in a file is read when the old one is refused', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sd-token-'))
    const file = join(folder, 'token')
    try {
      await cluster.call('POST', '/serviceaccounts', { metadata: { name: 'pod' } })
      await bind('pod', 'sd-discover', 'ServiceAccount')
      await writeFile(file, await issueToken('first'))
      const config = JSON.parse(server.kubeconfig({ token: null }))
      // What the library makes of a Pod's service account.
      config.users[0].user = { 'auth-provider': { name: 'tokenFile', config: { tokenFile: file } } }
      const registry = connect({ kubeconfig: JSON.stringify(config) })
      const probe = probeWatch((options) => registry.watch('orders', options), limitMs)
      await probe.until(({ instances }) => expect(instances).toEqual([]))
      const first = await readFile(file, 'utf8')
      await writeFile(file, await issueToken('second'))
      await cluster.call('DELETE', '/secrets/first')
      await eventually(() => expect(as(first).ping()).rejects.toMatchObject({ code: 'SD_DENIED' }), 40_000)
      await registry.ping()
      await as(tokens.writer).register(spec)
      await probe.until(({ instances }) => expect(instances).toHaveLength(1))
      await probe.stop()
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  /** A token of the account `pod` that lives as long as a secret does. */
  async function issueToken(secret: string): Promise<string> {
    const { metadata } = await cluster.call('POST', '/secrets', { metadata: { name: secret } })
    const bound = { kind: 'Secret', apiVersion: 'v1', name: secret, uid: metadata.uid }
    const { status } = await cluster.call('POST', '/serviceaccounts/pod/token', { spec: { boundObjectRef: bound } })
    return status.token
  }
})
