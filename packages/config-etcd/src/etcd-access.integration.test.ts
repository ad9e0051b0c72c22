import { inspect } from 'node:util'
import type { WritableConfigSource } from '@sd/core'
import { type CertificateSet, createCertificates, type EtcdServer, obtainServer, startEtcd } from '@sd/test-servers'
import { probeWatch } from '@sd/testing'
import type { TlsOptions } from '@sd/tls'
import { Etcd3, Range } from 'etcd3'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { createEtcdConfigSource, type EtcdConfigSourceOptions } from './index.ts'

const etcd = await obtainServer('etcd', { own: true })
const limitMs = 10_000
const opened: WritableConfigSource[] = []

function open(options: EtcdConfigSourceOptions): WritableConfigSource {
  const source = createEtcdConfigSource({ operationTimeoutMs: 10_000, ...options })
  opened.push(source)
  return source
}
afterEach(async () => {
  await Promise.all(opened.splice(0).map((source) => source.close()))
})

describe.runIf(etcd)('with users', { timeout: 60_000 }, () => {
  let server: EtcdServer
  let root: Etcd3
  beforeAll(async () => {
    if (!etcd) return
    server = await startEtcd(etcd)
    const hosts = `127.0.0.1:${server.port}`
    const admin = new Etcd3({ hosts })
    await admin.role('root').create()
    await (await admin.user('root').create('root-secret')).addRole('root')
    await admin.auth.authEnable()
    admin.close()
    root = new Etcd3({ hosts, auth: { username: 'root', password: 'root-secret' } })
    for (const [name, permission] of [
      ['reader', 'Read'],
      ['writer', 'Readwrite'],
    ] as const) {
      const role = await root.role(name).create()
      await role.grant({ permission, range: Range.prefix('/app/') })
      await (await root.user(name).create(`${name}-secret`)).addRole(name)
    }
  })
  afterAll(async () => {
    root.close()
    await server.close()
  })

  const openAs = (credentials: EtcdConfigSourceOptions['credentials'], prefix = '/app'): WritableConfigSource =>
    open({ servers: [`127.0.0.1:${server.port}`], prefix, ...(credentials && { credentials }) })

  test('permission on the prefix is sufficient to write, and read permission to follow', async () => {
    const writer = openAs({ username: 'writer', password: 'writer-secret' })
    const reader = openAs({ username: 'reader', password: 'reader-secret' })
    const probe = probeWatch((options) => reader.watch(options), limitMs)
    const { revision } = await writer.put('a', '1', { ifRevision: null })
    await probe.until(({ entries }) => expect(entries).toMatchObject([{ key: 'a', content: '1', revision }]))
    for (const ifRevision of [undefined, revision]) {
      const options = ifRevision === undefined ? {} : { ifRevision }
      await expect(reader.put('a', '2', options)).rejects.toMatchObject({ code: 'SD_DENIED', retryable: false })
      await expect(reader.delete('a', options)).rejects.toMatchObject({ code: 'SD_DENIED' })
    }
    await writer.delete('a', { ifRevision: revision })
    await probe.until(({ entries }) => expect(entries).toEqual([]))
    await probe.stop()
  })

  test.each([
    ['a wrong password', { username: 'reader', password: 'wrong-secret' }, '/app'],
    ['no login', undefined, '/app'],
    ['a prefix of others', { username: 'reader', password: 'reader-secret' }, '/other'],
  ])('%s is an error and no empty document, and nothing shows the password', async (_, credentials, prefix) => {
    const source = openAs(credentials, prefix)
    const error = await source.load().catch((caught: unknown) => caught)
    expect(error).toMatchObject({ code: 'SD_DENIED', retryable: false })
    expect(inspect(error, { depth: 20, showHidden: true })).not.toContain('-secret')
    await expect(probeWatch((options) => source.watch(options), limitMs).ended).rejects.toMatchObject({ code: 'SD_DENIED' })
  })

  test('with keys, permission on what they begin with is sufficient: nothing else is read', async () => {
    const role = await root.role('narrow').create()
    await role.grant({ permission: 'Read', range: Range.prefix('/wide/part') })
    await (await root.user('narrow').create('narrow-secret')).addRole('narrow')
    const [servers, credentials] = [[`127.0.0.1:${server.port}`], { username: 'narrow', password: 'narrow-secret' }]
    const source = open({ servers, prefix: '/wide', keys: ['part-one', 'part-two'], credentials })
    const probe = probeWatch((options) => source.watch(options), limitMs)
    for (const key of ['part-two', 'part-other', 'other']) await root.put(`/wide/${key}`).value(key)
    await probe.until(({ entries }) => expect(entries.map(({ content }) => content)).toEqual(['part-two']))
    await root.put('/wide/part-one').value('part-one')
    await probe.until(({ entries }) => expect(entries.map(({ content }) => content)).toEqual(['part-one', 'part-two']))
    await probe.stop()
    await expect(open({ servers, prefix: '/wide', credentials }).load()).rejects.toMatchObject({ code: 'SD_DENIED' })
  })

  test('a rotated password is requested again', async () => {
    let password = 'writer-secret'
    const source = openAs(() => ({ username: 'writer', password }))
    await source.put('rotated', '1')
    const probe = probeWatch((options) => source.watch(options), limitMs)
    await probe.until(({ entries }) => expect(entries).toMatchObject([{ content: '1' }]))
    await root.auth.userChangePassword({ name: 'writer', password: 'new-secret' })
    password = 'new-secret'
    await source.put('rotated', '2')
    await probe.until(({ entries }) => expect(entries).toMatchObject([{ content: '2' }]))
    await probe.stop()
  })
})

describe.runIf(etcd)('with TLS', { timeout: 60_000 }, () => {
  let server: EtcdServer
  let certificates: CertificateSet
  beforeAll(async () => {
    if (!etcd) return
    certificates = await createCertificates()
    server = await startEtcd(etcd, { tls: certificates })
  })
  afterAll(() => server.close())

  test('a private CA and a client certificate are used', async () => {
    const { ca, client } = certificates
    const tls = { ca, ...client, serverName: 'localhost' }
    const source = open({ servers: [`https://127.0.0.1:${server.port}`], tls })
    await source.put('a', '1')
    expect((await source.load()).entries).toMatchObject([{ key: 'a', content: '1' }])
  })

  test.each([
    ['no authority', (): TlsOptions => ({ ...certificates.client })],
    ['no client certificate', (): TlsOptions => ({ ca: certificates.ca })],
  ])('%s is an error that shows no key', async (_, tls) => {
    const source = open({ servers: [`https://127.0.0.1:${server.port}`], tls: { ...tls(), serverName: 'localhost' } })
    const error = await source.load().catch((caught: unknown) => caught)
    expect(error).toMatchObject({ code: 'SD_UNAVAILABLE', retryable: true })
    expect(inspect(error, { depth: 10 })).not.toContain('PRIVATE KEY')
  })
})
