import { inspect } from 'node:util'
import type { WritableConfigSource } from '@sd/core'
import { type CertificateSet, type ConsulServer, createCertificates, obtainServer, startConsul } from '@sd/test-servers'
import { eventually, probeWatch } from '@sd/testing'
import type { TlsOptions } from '@sd/tls'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type ConsulConfigSourceOptions, createConsulConfigSource } from './index.ts'
import { putKey } from './testing/kv.ts'

const consul = await obtainServer('consul', { own: true })
const limitMs = 10_000
const opened: WritableConfigSource[] = []

function open(options: ConsulConfigSourceOptions): WritableConfigSource {
  const source = createConsulConfigSource({ operationTimeoutMs: 2_000, ...options })
  opened.push(source)
  return source
}
afterEach(async () => {
  await Promise.all(opened.splice(0).map((source) => source.close()))
})

describe.runIf(consul)('with ACLs', { timeout: 60_000 }, () => {
  const managementToken = '11111111-2222-3333-4444-555555555555'
  let server: ConsulServer
  beforeAll(async () => {
    if (consul) server = await startConsul(consul, { managementToken })
  })
  afterAll(() => server.close())

  const openWith = (token: ConsulConfigSourceOptions['token'], options: ConsulConfigSourceOptions = {}): WritableConfigSource =>
    open({ servers: [`127.0.0.1:${server.port}`], prefix: 'app', ...(token !== undefined && { token }), ...options })
  const putAsAdmin = (path: string): Promise<void> => putKey(server, path, 'x', managementToken)
  async function createToken(Rules: string): Promise<{ readonly AccessorID: string; readonly SecretID: string }> {
    const { Name } = (await server.call('PUT', '/v1/acl/policy', { Name: crypto.randomUUID(), Rules })) as { Name: string }
    return (await server.call('PUT', '/v1/acl/token', { Policies: [{ Name }] })) as never
  }

  test('the documented policies are sufficient to write and to follow', async () => {
    const writer = openWith((await createToken('key_prefix "app/" { policy = "write" }')).SecretID)
    const reader = openWith((await createToken('key_prefix "app/" { policy = "read" }')).SecretID)
    const probe = probeWatch((options) => reader.watch(options), limitMs)
    await probe.until(({ entries }) => expect(entries).toEqual([]))
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

  test('a path without read permission is an error, not an empty document, whether it exists or not', async () => {
    const other = (await createToken('key_prefix "other/" { policy = "read" }')).SecretID
    for (const source of [openWith(undefined), openWith(other), openWith(other, { keys: ['a.yaml'] })]) {
      await expect(source.load()).rejects.toMatchObject({ code: 'SD_DENIED', retryable: false })
      await putAsAdmin('app/a.yaml')
      await expect(source.load()).rejects.toMatchObject({ code: 'SD_DENIED' })
      await expect(probeWatch((options) => source.watch(options), limitMs).ended).rejects.toMatchObject({ code: 'SD_DENIED' })
      await server.call('DELETE', '/v1/kv/app/a.yaml')
    }
  })

  test('permission on one key is sufficient for a source of that key or of all keys, but not of two keys', async () => {
    const token = (await createToken('key "app/one.yaml" { policy = "read" }')).SecretID
    await putAsAdmin('app/one.yaml')
    await putAsAdmin('app/two.yaml')
    for (const source of [openWith(token, { keys: ['one.yaml'] }), openWith(token)]) {
      expect((await source.load()).entries).toMatchObject([{ key: 'one.yaml' }])
    }
    const both = openWith(token, { keys: ['one.yaml', 'two.yaml'] })
    await expect(both.load()).rejects.toMatchObject({ code: 'SD_DENIED' })
    await server.call('DELETE', '/v1/kv/app/?recurse')
  })

  test('a wrong token is rejected, and no error shows it', async () => {
    const secret = '99999999-aaaa-bbbb-cccc-dddddddddddd'
    const source = openWith(secret)
    for (const call of [() => source.load(), () => source.put('a', '1'), () => source.delete('a')]) {
      const error = await call().catch((caught: unknown) => caught)
      expect(error).toMatchObject({ code: 'SD_DENIED', retryable: false })
      expect(inspect(error, { depth: 20, showHidden: true })).not.toContain(secret)
    }
  })

  test('a rotated token is requested again, and the watch continues', async () => {
    const rules = 'key_prefix "app/" { policy = "write" }'
    const [before, after] = [await createToken(rules), await createToken(rules)]
    let current = before.SecretID
    let requests = 0
    const source = openWith(() => {
      requests++
      return current
    })
    const probe = probeWatch((options) => source.watch(options), limitMs)
    await probe.until(({ entries }) => expect(entries).toEqual([]))
    expect(requests).toBe(1)
    current = after.SecretID
    await server.call('DELETE', `/v1/acl/token/${before.AccessorID}`)
    await eventually(() => source.put('rotated', '1'), limitMs)
    await probe.until(({ entries }) => expect(entries).toMatchObject([{ key: 'rotated' }]))
    expect(requests).toBeGreaterThan(1)
    await probe.stop()
  })
})

describe.runIf(consul)('with TLS', { timeout: 60_000 }, () => {
  let server: ConsulServer
  let certificates: CertificateSet
  beforeAll(async () => {
    if (!consul) return
    certificates = await createCertificates(['consul.example'])
    server = await startConsul(consul, { tls: certificates })
  })
  afterAll(() => server.close())

  test('a private CA and a client certificate are used', async () => {
    const { ca, client } = certificates
    const tls = { ca, ...client, serverName: 'consul.example' }
    const source = open({ servers: [`https://127.0.0.1:${server.port}`], tls })
    await eventually(() => source.put('a', '1'), limitMs)
    expect((await source.load()).entries).toMatchObject([{ key: 'a', content: '1' }])
  })

  test.each([
    ['no authority', (): TlsOptions => ({ ...certificates.client })],
    ['no client certificate', (): TlsOptions => ({ ca: certificates.ca })],
  ])('%s is an error that shows no key', async (_, tls) => {
    const source = open({ servers: [`https://127.0.0.1:${server.port}`], tls: tls() })
    const error = await source.load().catch((caught: unknown) => caught)
    expect(error).toMatchObject({ code: 'SD_UNAVAILABLE', retryable: true })
    expect(inspect(error, { depth: 10 })).not.toContain('PRIVATE KEY')
  })
})
