import type { SdError } from '@sd/core'
import { type KubernetesServer, obtainServer, startKubernetes } from '@sd/test-servers'
import { eventually } from '@sd/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ApiRequest } from './api-messages.ts'
import { createKubernetesConnection, type KubernetesConnection } from './kubernetes-connection.ts'
import { resolveKubernetesConnectionOptions } from './options.ts'

const etcd = await obtainServer('etcd', { own: true })
const kubernetes = await obtainServer('kubernetes', { own: true })
const tokens = { nobody: 'token-of-nobody', writer: 'token-of-the-writer', crowd: 'token-of-the-crowd' }
const signal = AbortSignal.timeout(120_000)

describe.runIf(etcd && kubernetes)('refusals of an API server', { timeout: 60_000 }, () => {
  let server: KubernetesServer
  const open: KubernetesConnection[] = []
  const as = (token: string): KubernetesConnection => {
    const settings = { kubeconfig: server.kubeconfig({ token }), namespace: 'default' }
    const connection = createKubernetesConnection(resolveKubernetesConnectionOptions(settings, 'kubernetes'))
    open.push(connection)
    return connection
  }
  const maps = '/api/v1/namespaces/default/configmaps'
  const rbac = '/apis/rbac.authorization.k8s.io/v1'
  beforeAll(async () => {
    if (!etcd || !kubernetes) return
    server = await startKubernetes({ etcd, kubernetes }, { tokens })
    await eventually(() => server.call('GET', '/api/v1/namespaces/default'), 20_000)
    await server.call('POST', `${rbac}/clusterroles`, {
      metadata: { name: 'write' },
      rules: [{ apiGroups: [''], resources: ['configmaps'], verbs: ['create', 'get', 'update', 'list'] }],
    })
    const subjects = ['writer', 'crowd'].map((name) => ({ kind: 'User', name, apiGroup: 'rbac.authorization.k8s.io' }))
    const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'write' }
    await server.call('POST', `${rbac}/clusterrolebindings`, { metadata: { name: 'write' }, roleRef, subjects })
  }, 180_000)
  afterAll(async () => {
    for (const connection of open) connection.close()
    await server.close()
  })

  const slices = '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices'
  const leases = '/apis/coordination.k8s.io/v1/namespaces/default/leases'
  test.each<[ApiRequest['method'], string, string, string]>([
    ['GET', slices, 'list', 'apiGroups ["discovery.k8s.io"], resources ["endpointslices"], verbs ["list"]'],
    ['GET', `${slices}/a`, 'get', 'apiGroups ["discovery.k8s.io"], resources ["endpointslices"], verbs ["get"]'],
    ['POST', slices, 'create', 'apiGroups ["discovery.k8s.io"], resources ["endpointslices"], verbs ["create"]'],
    ['PUT', `${slices}/a`, 'update', 'apiGroups ["discovery.k8s.io"], resources ["endpointslices"], verbs ["update"]'],
    ['PATCH', `${leases}/a`, 'patch', 'apiGroups ["coordination.k8s.io"], resources ["leases"], verbs ["patch"]'],
    ['DELETE', `${leases}/a`, 'delete', 'apiGroups ["coordination.k8s.io"], resources ["leases"], verbs ["delete"]'],
    ['GET', '/api/v1/namespaces/default/pods', 'list', 'apiGroups [""], resources ["pods"], verbs ["list"]'],
    ['GET', `${maps}/a`, 'get', 'apiGroups [""], resources ["configmaps"], verbs ["get"]'],
  ])('%s %s names verb, resource, user and the missing rule', async (method, path, verb, rule) => {
    const request = { method, path, signal, ...(method !== 'GET' && { body: { metadata: { name: 'a' } } }) }
    const error = (await as(tokens.nobody)
      .request(request)
      .catch((caught: unknown) => caught)) as SdError
    expect(error).toMatchObject({ code: 'SD_DENIED', retryable: false })
    for (const part of [`${method} ${path}`, 'User "nobody"', `cannot ${verb} resource`, 'namespace "default"', rule]) {
      expect(error.message).toContain(part)
    }
  })

  test('a watch and a login are refused with a hint', async () => {
    const watch = { path: slices, query: {}, onEvent: () => undefined, signal }
    await expect(as(tokens.nobody).watch(watch)).rejects.toMatchObject({
      code: 'SD_DENIED',
      message: expect.stringContaining('resources ["endpointslices"], verbs ["watch"]'),
    })
    await expect(as('wrong').request({ method: 'GET', path: maps, signal })).rejects.toMatchObject({
      code: 'SD_DENIED',
      message: expect.stringMatching(/the login was refused \(renew the token/),
    })
  })

  test('a full quota is temporary, and differs from a missing permission', async () => {
    const quotas = '/api/v1/namespaces/default/resourcequotas'
    const hard = { 'count/configmaps': '0' }
    await server.call('POST', quotas, { metadata: { name: 'small' }, spec: { hard } })
    await server.call('PATCH', `${quotas}/small/status`, { status: { hard, used: hard } })
    const writer = as(tokens.writer)
    const create = { method: 'POST', path: maps, body: { metadata: { generateName: 'a-' } }, signal } as const
    await eventually(
      () =>
        expect(writer.request(create)).rejects.toMatchObject({
          code: 'SD_UNAVAILABLE',
          retryable: true,
          message: expect.stringMatching(/exceeded quota: small.*a quota or an admission policy refused it/),
        }),
      20_000,
    )
    await server.call('DELETE', `${quotas}/small`)
    await eventually(() => writer.request(create), 20_000)
  })

  test('an overloaded API server returns a retry delay', async () => {
    const flow = '/apis/flowcontrol.apiserver.k8s.io/v1'
    const limited = {
      nominalConcurrencyShares: 0,
      lendablePercent: 0,
      borrowingLimitPercent: 0,
      limitResponse: { type: 'Reject' },
    }
    await server.call('POST', `${flow}/prioritylevelconfigurations`, {
      metadata: { name: 'nothing' },
      spec: { type: 'Limited', limited },
    })
    const resourceRules = [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'], namespaces: ['*'], clusterScope: true }]
    const subjects = [{ kind: 'User', user: { name: 'crowd' } }]
    await server.call('POST', `${flow}/flowschemas`, {
      metadata: { name: 'crowd' },
      spec: { priorityLevelConfiguration: { name: 'nothing' }, matchingPrecedence: 2, rules: [{ subjects, resourceRules }] },
    })
    const crowd = as(tokens.crowd)
    // A level without seats serves one request at a time, and refuses the others.
    await eventually(async () => {
      const requests = Array.from({ length: 50 }, () => crowd.request({ method: 'GET', path: maps, signal }))
      const refusals = (await Promise.allSettled(requests)).flatMap((one) =>
        one.status === 'rejected' ? [one.reason as SdError] : [],
      )
      // On a busy machine others run out of time.
      const expected = { code: 'SD_UNAVAILABLE', retryable: true, retryAfterMs: 1_000 }
      expect(refusals).toContainEqual(expect.objectContaining(expected))
    }, 20_000)
  })

  test('an object that etcd refuses is too large, which only the text reports', async () => {
    const finalizers = Array.from({ length: 60_000 }, (_, index) => `example.org/${String(index).padStart(20, '0')}`)
    const body = { metadata: { name: 'large', finalizers }, data: {} }
    const sent = as('admin-token').request({ method: 'POST', path: maps, body, signal })
    await expect(sent).rejects.toMatchObject({ code: 'SD_TOO_LARGE', retryable: false })
  })
})
