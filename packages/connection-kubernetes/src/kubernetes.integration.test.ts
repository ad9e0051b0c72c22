import { randomUUID } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SdError } from '@sd/core'
import { createCertificates, type KubernetesServer, obtainServer, startKubernetes } from '@sd/test-servers'
import { eventually } from '@sd/testing'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type Collection, followCollection, listCollection } from './collection.ts'
import { createKubernetesConnection, type KubernetesConnection } from './kubernetes-connection.ts'
import { type KubernetesConnectionOptions, resolveKubernetesConnectionOptions } from './options.ts'

const etcd = await obtainServer('etcd', { own: true })
const kubernetes = await obtainServer('kubernetes', { own: true })
const limitMs = 20_000
const tokens = { reader: 'token-of-the-reader', nobody: 'token-of-nobody' }

describe.runIf(etcd && kubernetes)('the connection to Kubernetes', { timeout: 90_000 }, () => {
  let server: KubernetesServer
  let namespace: string
  const open: KubernetesConnection[] = []
  beforeAll(async () => {
    if (etcd && kubernetes) server = await startKubernetes({ etcd, kubernetes }, { tokens })
  }, 180_000)
  afterAll(() => server.close())
  beforeEach(async () => {
    namespace = `test-${randomUUID()}`
    await server.call('POST', '/api/v1/namespaces', { metadata: { name: namespace } })
    await callRbac('roles', {
      metadata: { name: 'read' },
      rules: [{ apiGroups: [''], resources: ['configmaps'], verbs: ['list', 'watch'] }],
    })
    await bind('reader')
    await bind('tester')
  })
  afterEach(() => {
    for (const connection of open.splice(0)) connection.close()
  })

  const rbac = 'rbac.authorization.k8s.io'
  const callRbac = (kind: string, body: object): Promise<unknown> =>
    server.call('POST', `/apis/${rbac}/v1/namespaces/${namespace}/${kind}`, body)
  const bind = (user: string, kind: string = 'User'): Promise<unknown> =>
    callRbac('rolebindings', {
      metadata: { name: user },
      roleRef: { apiGroup: rbac, kind: 'Role', name: 'read' },
      subjects: [{ kind, name: user, ...(kind === 'User' ? { apiGroup: rbac } : { namespace }) }],
    })
  const call = (method: string, path: string, body?: object): ReturnType<KubernetesServer['call']> =>
    server.call(method, `/api/v1/namespaces/${namespace}${path}`, body)

  function connect(options: KubernetesConnectionOptions): KubernetesConnection {
    const connection = createKubernetesConnection(resolveKubernetesConnectionOptions({ namespace, ...options }, 'kubernetes'))
    open.push(connection)
    return connection
  }
  const as = (token: string): KubernetesConnection => connect({ kubeconfig: server.kubeconfig({ token }) })
  const configMaps = (): Collection => ({ path: `/api/v1/namespaces/${namespace}/configmaps` })

  async function names(connection: KubernetesConnection, which: Collection = configMaps()): Promise<readonly string[]> {
    const { items } = await listCollection(connection, which, AbortSignal.timeout(limitMs))
    return items.map(({ metadata }) => metadata.name)
  }

  /** Follows until the signal aborts, and returns the observed objects. */
  function follow(connection: KubernetesConnection, which: Collection, signal: AbortSignal): [string[], Promise<void>] {
    const seen: string[] = []
    const following = followCollection(connection, {
      ...which,
      operationTimeoutMs: 5_000,
      signal,
      onList: ({ items }) => void seen.push(`list ${items.length}`),
      onChange: ({ metadata }, isThere) => void seen.push(`${isThere ? 'there' : 'gone'} ${metadata.name}`),
    })
    return [seen, following]
  }

  test('one object, or those with a label, are listed and followed', async () => {
    const connection = as(tokens.reader)
    await call('POST', '/configmaps', { metadata: { name: 'a', labels: { team: 'x' } } })
    await call('POST', '/configmaps', { metadata: { name: 'b' } })
    const [one, labelled] = [
      { ...configMaps(), fieldSelector: 'metadata.name=b' },
      { ...configMaps(), labelSelector: 'team=x' },
    ]
    expect(await names(connection)).toEqual(['a', 'b'])
    expect(await names(connection, one)).toEqual(['b'])
    expect(await names(connection, labelled)).toEqual(['a'])
    const controller = new AbortController()
    const [seen, following] = follow(connection, one, controller.signal)
    await eventually(() => expect(seen).toEqual(['list 1']), limitMs)
    await call('DELETE', '/configmaps/a')
    await call('DELETE', '/configmaps/b')
    await call('POST', '/configmaps', { metadata: { name: 'b' } })
    await eventually(() => expect(seen).toEqual(['list 1', 'gone b', 'there b']), limitMs)
    controller.abort()
    await following
  })

  test('a version that the server no longer has leads to a new list', async () => {
    const connection = connect({ kubeconfig: server.kubeconfig() })
    // A new API server has no data from before its start.
    await server.kill()
    await server.start()
    // The first watch starts before that.
    const versions: (string | undefined)[] = []
    const forgetful: KubernetesConnection = {
      ...connection,
      watch(watch) {
        versions.push(watch.query['resourceVersion'])
        return connection.watch(versions.length > 1 ? watch : { ...watch, query: { ...watch.query, resourceVersion: '1' } })
      },
    }
    const controller = new AbortController()
    const [seen, following] = follow(forgetful, { ...configMaps(), labelSelector: 'followed' }, controller.signal)
    await eventually(() => expect(versions).toHaveLength(2), limitMs)
    await call('POST', '/configmaps', { metadata: { name: 'a', labels: { followed: 'yes' } } })
    await eventually(() => expect(seen).toEqual(['list 0', 'list 0', 'there a']), limitMs)
    controller.abort()
    await following
  })

  test('a wrong login and a missing permission are denied, without the token', async () => {
    for (const token of ['wrong-token', tokens.nobody]) {
      const connection = as(token)
      const followIt = (): Promise<void> => follow(connection, configMaps(), AbortSignal.timeout(limitMs))[1]
      for (const attempt of [() => names(connection), followIt]) {
        const caught = await attempt().catch((error: unknown) => error)
        expect(caught instanceof SdError && caught.code).toBe('SD_DENIED')
        expect(`${(caught as Error).message} ${JSON.stringify(caught)}`).not.toContain(token)
      }
    }
  })

  test('a client certificate is a login, and a server with an unknown CA is refused', async () => {
    const kubeconfig = server.kubeconfig({ token: null, client: server.certificates.client })
    const connection = connect({ kubeconfig })
    await names(connection)
    const elsewhere = { path: '/api/v1/namespaces/kube-system/configmaps' }
    await expect(names(connection, elsewhere)).rejects.toThrow('User "tester" cannot list')
    const { ca } = await createCertificates()
    const distrusting = connect({ kubeconfig: server.kubeconfig({ ca }) })
    await expect(names(distrusting)).rejects.toMatchObject({ code: 'SD_UNAVAILABLE', retryable: true })
    await expect(names(distrusting)).rejects.toThrow(/certificate/)
  })

  test('the option token takes precedence, and is called for each request', async () => {
    let token: string = tokens.nobody
    const connection = connect({ kubeconfig: server.kubeconfig({ token: 'wrong' }), token: async () => token })
    await expect(names(connection)).rejects.toMatchObject({ code: 'SD_DENIED' })
    token = tokens.reader
    await names(connection)
  })

  test('a rotated token in a file is read after the old one is refused', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sd-token-'))
    const file = join(folder, 'token')
    try {
      await call('POST', '/serviceaccounts', { metadata: { name: 'pod' } })
      await bind('pod', 'ServiceAccount')
      await writeFile(file, await issueToken('first'))
      const config = JSON.parse(server.kubeconfig({ token: null }))
      // The configuration that the library builds from a Pod's service account.
      config.users[0].user = { 'auth-provider': { name: 'tokenFile', config: { tokenFile: file } } }
      const connection = connect({ kubeconfig: JSON.stringify(config) })
      const controller = new AbortController()
      const [seen, following] = follow(connection, { ...configMaps(), labelSelector: 'followed' }, controller.signal)
      await eventually(() => expect(seen).toEqual(['list 0']), limitMs)
      const first = await readFile(file, 'utf8')
      await writeFile(file, await issueToken('second'))
      await call('DELETE', '/secrets/first')
      await eventually(() => expect(names(as(first))).rejects.toMatchObject({ code: 'SD_DENIED' }), 40_000)
      await names(connection)
      await call('POST', '/configmaps', { metadata: { name: 'a', labels: { followed: 'yes' } } })
      await eventually(() => expect(seen).toEqual(['list 0', 'there a']), limitMs)
      controller.abort()
      await following
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  /** A token of the account `pod` that lives as long as a secret. */
  async function issueToken(secret: string): Promise<string> {
    const { metadata } = await call('POST', '/secrets', { metadata: { name: secret } })
    const bound = { kind: 'Secret', apiVersion: 'v1', name: secret, uid: metadata.uid }
    const { status } = await call('POST', '/serviceaccounts/pod/token', { spec: { boundObjectRef: bound } })
    return status.token
  }
})
