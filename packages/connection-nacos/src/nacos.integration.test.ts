import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { SdError } from '@sd/core'
import { createCertificates, createRotation, freePort, type NacosServer, obtainServer, startNacos } from '@sd/test-servers'
import { eventually, within } from '@sd/testing'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import {
  createNacosConnection,
  createNamingRequests,
  listenToConfigs,
  type NacosConnection,
  type NacosConnectionOptions,
  type NacosRequest,
  resolveNacosConnectionOptions,
} from './index.ts'
import { startTlsFront } from './testing/tls-front.ts'

const nacos = await obtainServer('nacos', { own: true })
const run = promisify(execFile)
const limitMs = 10_000
const group = 'DEFAULT_GROUP'
const { signal } = new AbortController()
const sign: NacosRequest = { method: 'GET', path: '/nacos/v1/ns/operator/metrics', params: {} }
const opened: NacosConnection[] = []

function open(options: NacosConnectionOptions): NacosConnection {
  const connection = createNacosConnection(resolveNacosConnectionOptions({ operationTimeoutMs: 2_000, ...options }, 'nacos'))
  opened.push(connection)
  return connection
}
function publish(connection: NacosConnection, dataId: string, content: string): Promise<string> {
  return connection.send({ method: 'POST', path: '/nacos/v1/cs/configs', params: { dataId, group, content } }, signal)
}

afterEach(() => {
  for (const connection of opened.splice(0)) connection.close()
})

describe.runIf(nacos)('on a server', { timeout: 60_000 }, () => {
  let server: NacosServer
  let servers: readonly string[]
  beforeAll(async () => {
    if (!nacos) return
    server = await startNacos(nacos)
    servers = [`127.0.0.1:${server.port}`]
  }, 60_000)
  afterAll(() => server.close())

  test('with several servers the one that responds is used; without any the error is retryable', async () => {
    const dead = `127.0.0.1:${await freePort()}`
    await open({ servers: [dead, ...servers] }).send(sign, signal)
    await assert.rejects(open({ servers: [dead] }).send(sign, signal), { code: 'SD_UNAVAILABLE', retryable: true })
    const closed = open({ servers })
    closed.close()
    await assert.rejects(closed.send(sign, signal), { code: 'SD_CLOSED' })
  })

  test('TLS with a custom CA and a client certificate', async () => {
    const certificates = await createCertificates()
    const front = await startTlsFront(server.port, certificates)
    const secure = { servers: [`https://127.0.0.1:${front.port}`] }
    const tls = { ca: certificates.ca, ...certificates.client }
    await open({ ...secure, tls: { ...tls, serverName: 'localhost' } }).send(sign, signal)
    await open({ ...secure, tls }).send(sign, signal)
    await assert.rejects(open({ ...secure, tls: { ca: certificates.ca } }).send(sign, signal), { code: 'SD_UNAVAILABLE' })
    await assert.rejects(open(secure).send(sign, signal), { code: 'SD_UNAVAILABLE' })
    front.close()
  })

  test('rotated certificates are in effect without a restart', async () => {
    await using rotation = await createRotation()
    const { certificates, tls } = rotation
    let front = await startTlsFront(server.port, certificates)
    const connection = open({ servers: [`https://127.0.0.1:${front.port}`], tls })
    await connection.send(sign, signal)
    for (let round = 0; round < 2; round++) {
      await rotation.rotate({
        async restartEmpty() {
          front.close()
          front = await startTlsFront(server.port, certificates, front.port)
        },
      })
      await eventually(() => connection.send(sign, signal), limitMs)
    }
    front.close()
  })

  test('gRPC uses TLS too, with the same certificates', async () => {
    const certificates = await createCertificates()
    const front = await startTlsFront(server.grpcPort, certificates)
    const secure = { servers: [`https://127.0.0.1:${front.port}`], api: 'grpc', grpcPortOffset: 0 } as const
    const tls = { ca: certificates.ca, ...certificates.client }
    await open({ ...secure, tls: { ...tls, serverName: 'localhost' } })
      .grpc('naming')
      .session(signal)
    await open({ ...secure, tls })
      .grpc('naming')
      .session(signal)
    const stranger = open({ ...secure, tls: { ca: certificates.ca } }).grpc('naming')
    await assert.rejects(stranger.session(signal), { code: 'SD_UNAVAILABLE' })
    front.close()
  })

  test('TLS for gRPC alone: HTTP is clear, as on a server with TLS of its own', async () => {
    const certificates = await createCertificates()
    const front = await startTlsFront(server.grpcPort, certificates)
    const connection = open({
      servers,
      grpcTls: true,
      grpcPortOffset: front.port - server.port,
      tls: { ca: certificates.ca, ...certificates.client },
    })
    await connection.grpc('naming').session(signal)
    await connection.send(sign, signal)
    front.close()
  })

  test('a failure that the caller accepts is a response', async () => {
    const connection = open({ servers })
    const request = { method: 'GET', path: '/nacos/v1/cs/configs', params: { dataId: 'none', group } } as const
    await assert.rejects(connection.send(request, signal), { code: 'SD_UNSUPPORTED' })
    const { status, text } = await connection.exchange({ ...request, accepts: ({ status }) => status === 404 }, signal)
    expect([status, text]).toEqual([404, 'config data not exist'])
  })

  test("the SDK's naming requests use the connection", async () => {
    const requests = createNamingRequests(open({ servers }), 'naming')(signal)
    await requests.registerService('G@@orders', 'G', { ip: '10.0.0.1', port: 80, weight: 1, metadata: {}, ephemeral: true })
    const { hosts } = JSON.parse(await requests.queryList('G@@orders', '', 0, false)) as { hosts: { ip: string }[] }
    expect(hosts.map(({ ip }) => ip)).toEqual(['10.0.0.1'])
  })

  test('the long poll reports created, changed and removed texts, and ends when it is aborted', async () => {
    const connection = open({ servers })
    const controller = new AbortController()
    let changes = 0
    const places = ['a.yaml', 'b.yaml'].map((dataId) => ({ dataId, group }))
    const listening = listenToConfigs(connection, {
      namespace: 'public',
      places,
      onChange: () => void changes++,
      signal: controller.signal,
    })
    for (const content of ['one', 'two', 'größer 配置']) {
      const before = changes
      await publish(connection, 'b.yaml', content)
      await eventually(() => assert.ok(changes > before, `${content}: ${changes} > ${before}`), limitMs)
    }
    const before = changes
    await connection.send({ method: 'DELETE', path: '/nacos/v1/cs/configs', params: { dataId: 'b.yaml', group } }, signal)
    await eventually(() => assert.ok(changes > before), limitMs)
    controller.abort()
    await within(listening, limitMs, 'the end of listening')
    await listenToConfigs(connection, { namespace: 'public', places, onChange: () => undefined, signal: controller.signal })
  })

  test('the long poll ends with an error when the server stops', async () => {
    if (!nacos) return
    const other = await startNacos(nacos)
    const connection = open({ servers: [`127.0.0.1:${other.port}`] })
    let changes = 0
    const places = [{ dataId: 'a.yaml', group }]
    const listening = listenToConfigs(connection, { namespace: 'n', places, onChange: () => void changes++, signal })
    const ended = assert.rejects(listening, (error: SdError) => error.code === 'SD_UNAVAILABLE' && error.retryable)
    await eventually(() => assert.equal(changes, 1), limitMs)
    await other.close()
    await within(ended, limitMs, 'the end of listening')
  })

  test('the process logs nothing, keeps no text on disk and exits by itself', async () => {
    const program = `
      import { existsSync } from 'node:fs'
      import { createNacosConnection, listenToConfigs, resolveNacosConnectionOptions } from ${JSON.stringify(new URL('./index.ts', import.meta.url).href)}
      const connection = createNacosConnection(resolveNacosConnectionOptions({ servers: ['127.0.0.1:${server.port}'] }, 'nacos'))
      const controller = new AbortController()
      const places = [{ dataId: 'exit.yaml', group: 'g' }]
      await listenToConfigs(connection, { namespace: 'public', places, signal: controller.signal, onChange: () => setTimeout(() => controller.abort(), 300) })
      connection.close()
      const closedAt = performance.now()
      const isKept = existsSync(process.env.HOME + '/.node-diamond-client-cache')
      process.on('exit', () => console.log(JSON.stringify({ isKept, isQuick: performance.now() - closedAt < 2000 })))`
    const env = { ...process.env, HOME: server.folder }
    const { stdout, stderr } = await run(process.execPath, ['--input-type=module', '--eval', program], { timeout: 30_000, env })
    expect(JSON.parse(stdout)).toEqual({ isKept: false, isQuick: true })
    expect(stderr.replace(/.*(ExperimentalWarning|--trace-warnings).*\n/g, '')).toBe('')
  })
})

describe.runIf(nacos)('with auth', { timeout: 60_000 }, () => {
  const auth = { username: 'keeper', password: 'the-secret-word' }
  let server: NacosServer
  beforeAll(async () => {
    if (nacos) server = await startNacos(nacos, { auth })
  }, 120_000)
  afterAll(() => server.close())

  test('a login that expires is renewed by gRPC too', async () => {
    if (!nacos) return
    await using short = await startNacos(nacos, { auth, loginSeconds: 1 })
    const connection = open({ servers: [`127.0.0.1:${short.port}`], credentials: auth })
    const query = { type: 'ConfigQueryRequest', body: { dataId: 'a', group, tenant: '' } }
    const isMissing = ({ errorCode }: Readonly<Record<string, unknown>>): boolean => errorCode === 300
    for (let round = 0; round < 3; round++) {
      expect(isMissing(await connection.grpc('config').request({ ...query, accepts: isMissing }, signal))).toBe(true)
      await new Promise((resolve) => setTimeout(resolve, 1_200))
    }
  })

  test('a login happens once, and a wrong secret is denied without showing it', async () => {
    const servers = [`127.0.0.1:${server.port}`]
    let requested = 0
    const credentials = async (): Promise<typeof auth> => {
      requested++
      return auth
    }
    const connection = open({ servers, credentials })
    await Promise.all([1, 2, 3].map(() => connection.send(sign, signal)))
    expect(requested).toBe(1)
    await assert.rejects(open({ servers }).send(sign, signal), { code: 'SD_DENIED' })
    const wrong = open({ servers, credentials: { ...auth, password: 'guessed-word' } })
    await assert.rejects(wrong.send(sign, signal), (error: SdError) => {
      assert.equal(error.code, 'SD_DENIED')
      assert.doesNotMatch(`${error.stack} ${JSON.stringify(error)}`, /guessed-word/)
      return true
    })
    const writes: readonly NacosRequest[] = [
      { method: 'GET', path: '/nacos/v1/cs/configs', params: { dataId: 'a', group, tenant: 'team-a' } },
      { method: 'POST', path: '/nacos/v1/cs/configs', params: { dataId: 'a', group, tenant: 'team-a', content: 'x' } },
      { method: 'DELETE', path: '/nacos/v1/cs/configs', params: { dataId: 'a', group, tenant: 'team-a' } },
      {
        method: 'POST',
        path: '/nacos/v1/ns/instance',
        params: { serviceName: 'a', ip: '10.0.0.1', port: '1', namespaceId: 'team-a' },
      },
      { method: 'GET', path: '/nacos/v1/ns/instance/list', params: { serviceName: 'a', namespaceId: 'team-a' } },
    ]
    for (const request of writes) {
      const nobody = open({ servers })
      const refused = { code: 'SD_DENIED', retryable: false, message: /namespace "team-a"/ }
      await assert.rejects(nobody.send(request, signal), refused, `${request.method} ${request.path}`)
      await assert.rejects(wrong.send(request, signal), { code: 'SD_DENIED', message: /check user and password/ })
    }
    const read = { type: 'ConfigQueryRequest', body: { dataId: 'a', group, tenant: 'team-a' } }
    const missing = { ...read, accepts: () => true }
    await open({ servers, credentials: auth }).grpc('config').request(missing, signal)
    const stranger = open({ servers, namespace: 'team-a' }).grpc('config')
    await assert.rejects(stranger.request(read, signal), { code: 'SD_DENIED', retryable: false, message: /namespace "team-a"/ })
    await assert.rejects(wrong.grpc('config').request(read, signal), { code: 'SD_DENIED', message: /check user and password/ })
    const places = [{ dataId: 'a', group }]
    await assert.rejects(listenToConfigs(wrong, { namespace: 'n', places, onChange: () => undefined, signal }), {
      code: 'SD_DENIED',
    })
  })
})
