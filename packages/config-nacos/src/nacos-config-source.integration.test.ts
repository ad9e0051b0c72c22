import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { SdError } from '@sd/core'
import { freePort, type NacosServer, obtainServer, startNacos } from '@sd/test-servers'
import { eventually, probeWatch } from '@sd/testing'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { createNacosConfigSource, type NacosConfigSource, type NacosConfigSourceOptions } from './index.ts'
import { reverse } from './testing/reverse.ts'

const nacos = await obtainServer('nacos', { own: true })
const run = promisify(execFile)
const limitMs = 10_000
const opened: NacosConfigSource[] = []

afterEach(() => Promise.all(opened.splice(0).map((source) => source.close())))

describe.runIf(nacos)('on a server', { timeout: 60_000 }, () => {
  let server: NacosServer
  beforeAll(async () => {
    if (nacos) server = await startNacos(nacos)
  }, 60_000)
  afterAll(() => server.close())

  function open(options: Partial<NacosConfigSourceOptions> = {}): NacosConfigSource {
    const source = createNacosConfigSource({ servers: [`127.0.0.1:${server.port}`], dataIds: ['app.yaml'], ...options })
    opened.push(source)
    return source
  }
  async function texts(source: NacosConfigSource): Promise<readonly (readonly [string, string])[]> {
    return (await source.load()).entries.map(({ key, content }) => [key, content])
  }
  /** Actions of another tool. */
  async function publish(params: Record<string, string>): Promise<void> {
    const body = new URLSearchParams({ group: 'DEFAULT_GROUP', ...params })
    const response = await fetch(`http://127.0.0.1:${server.port}/nacos/v1/cs/configs`, { method: 'POST', body })
    assert.equal(response.status, 200)
  }

  test('namespaces and groups keep texts apart', async () => {
    const [dev, prod, team] = [open({ namespace: 'dev' }), open({ namespace: 'prod' }), open({ namespace: 'dev', group: 'team' })]
    await dev.put('app.yaml', 'in: dev')
    await prod.put('app.yaml', 'in: prod')
    await team.put('app.yaml', 'in: team')
    expect(await texts(dev)).toEqual([['app.yaml', 'in: dev']])
    expect(await texts(prod)).toEqual([['app.yaml', 'in: prod']])
    expect(await texts(team)).toEqual([['app.yaml', 'in: team']])
    const both = open({ namespace: 'dev', dataIds: [{ dataId: 'app.yaml', group: 'team' }, 'app.yaml'] })
    expect(await texts(both)).toEqual([
      ['team/app.yaml', 'in: team'],
      ['app.yaml', 'in: dev'],
    ])
    await dev.delete('app.yaml')
    expect(await texts(both)).toEqual([['team/app.yaml', 'in: team']])
  })

  test('a missing required text is not an empty configuration, and a watch waits for it', async () => {
    const options = { namespace: 'nowhere', dataIds: ['app.yaml'], refreshIntervalMs: 500 }
    expect(await texts(open(options))).toEqual([])
    const source = open({ ...options, required: true })
    await expect(source.load()).rejects.toMatchObject({ code: 'SD_NOT_FOUND', retryable: true })
    const probe = probeWatch((own) => source.watch(own), limitMs)
    await probe.untilStale(true)
    await open(options).put('app.yaml', 'a: 1')
    await probe.until(({ entries }) => assert.equal(entries.length, 1))
    await probe.stop()
  })

  test('the namespace public is the default of other clients', async () => {
    await publish({ dataId: 'public.yaml', content: 'a: 1' })
    const probe = probeWatch((options) => open({ dataIds: ['public.yaml'] }).watch(options), limitMs)
    await probe.until(({ entries }) => assert.equal(entries[0]?.content, 'a: 1'))
    await publish({ dataId: 'public.yaml', content: 'a: 2' })
    await probe.until(({ entries }) => assert.equal(entries[0]?.content, 'a: 2'))
    await probe.stop()
  })

  test('the format comes from the options, then the server, then the extension', async () => {
    const tenant = 'formats'
    await publish({ tenant, dataId: 'plain', content: '{}', type: 'json' })
    for (const dataId of ['plain2', 'a.properties', 'b.env', 'c']) await publish({ tenant, dataId, content: 'a=1' })
    const dataIds = ['plain', 'plain2', 'a.properties', 'b.env', { dataId: 'c', format: 'toml' as const }]
    const { entries } = await open({ namespace: tenant, dataIds }).load()
    expect(entries.map(({ format }) => format)).toEqual(['json', 'text', 'properties', 'env', 'toml'])
  })

  test('a change is reported at once, not at the next interval', async () => {
    const source = open({ namespace: 'push', refreshIntervalMs: 600_000 })
    const probe = probeWatch((options) => source.watch(options), limitMs)
    await probe.until(({ entries }) => assert.equal(entries.length, 0))
    for (const content of ['a: 1', 'a: 2', 'größe: 配置']) {
      await open({ namespace: 'push' }).put('app.yaml', content)
      await probe.until(({ entries }) => assert.equal(entries[0]?.content, content))
    }
    await probe.stop()
  })

  test('keys outside dataIds and empty texts are not written', async () => {
    const source = open()
    await assert.rejects(source.put('other.yaml', 'a: 1'), { code: 'SD_INVALID', field: 'key' })
    await assert.rejects(source.delete('other.yaml'), { code: 'SD_INVALID', field: 'key' })
    await assert.rejects(source.put('app.yaml', ' \n'), { code: 'SD_INVALID', field: 'content' })
  })

  test('what rnacos does not have is refused, and no text is written for all instead', async () => {
    const dataIds = ['app.yaml', 'cipher-reverse-db']
    for (const api of ['grpc', 'v1', 'auto'] as const) {
      const source = open({ namespace: `extras-${api}`, api, dataIds, encryption: reverse })
      await source.put('app.yaml', 'a: 1')
      const refused = { code: 'SD_UNSUPPORTED' }
      await assert.rejects(source.putGray('app.yaml', 'a: 2', { addresses: ['127.0.0.1'] }), refused)
      await assert.rejects(source.deleteGray('app.yaml'), refused)
      await assert.rejects(source.listHistory('app.yaml'), refused)
      await assert.rejects(source.put('cipher-reverse-db', 'secret'), refused)
      expect(await texts(source)).toEqual([['app.yaml', 'a: 1']])
    }
  })

  test('of several servers a reachable one is used', async () => {
    const dead = `127.0.0.1:${await freePort()}`
    const source = open({ servers: [dead, `127.0.0.1:${server.port}`], namespace: 'several' })
    const probe = probeWatch((options) => source.watch(options), limitMs)
    await source.put('app.yaml', 'a: 1')
    await probe.until(({ entries }) => assert.equal(entries[0]?.content, 'a: 1'))
    await probe.stop()
    await assert.rejects(open({ servers: [dead] }).load(), { code: 'SD_UNAVAILABLE', retryable: true })
  })

  test('the process prints nothing, stores no text on disk and exits after close', async () => {
    const program = `
      import { readdirSync } from 'node:fs'
      import { createNacosConfigSource } from ${JSON.stringify(new URL('./index.ts', import.meta.url).href)}
      const source = createNacosConfigSource({ servers: ['127.0.0.1:${server.port}'], dataIds: ['exit.yaml'], namespace: 'exit' })
      await source.put('exit.yaml', 'a: 1')
      for await (const { value } of source.watch()) if (value?.entries[0]?.content === 'a: 2') break; else await source.put('exit.yaml', 'a: 2')
      await source.close()
      const closedAt = performance.now()
      const kept = readdirSync(process.env.HOME).filter((name) => name.includes('diamond'))
      process.on('exit', () => console.log(JSON.stringify({ kept, isQuick: performance.now() - closedAt < 2000 })))`
    const env = { ...process.env, HOME: server.folder }
    const { stdout, stderr } = await run(process.execPath, ['--input-type=module', '--eval', program], { timeout: 30_000, env })
    expect(JSON.parse(stdout)).toEqual({ kept: [], isQuick: true })
    expect(stderr.replace(/.*(ExperimentalWarning|--trace-warnings).*\n/g, '')).toBe('')
  })
})

describe.runIf(nacos)('with auth', { timeout: 60_000 }, () => {
  const auth = { username: 'keeper', password: 'the-secret-word' }
  let server: NacosServer
  beforeAll(async () => {
    if (nacos) server = await startNacos(nacos, { auth, loginSeconds: 2 })
  }, 120_000)
  afterAll(() => server.close())

  test('a wrong secret is denied without showing it, and a token is renewed during a watch', async () => {
    const base = { servers: [`127.0.0.1:${server.port}`], dataIds: ['app.yaml'], refreshIntervalMs: 100 }
    await using without = createNacosConfigSource(base)
    await assert.rejects(without.load(), { code: 'SD_DENIED' })
    await using wrong = createNacosConfigSource({ ...base, credentials: { ...auth, password: 'guessed-word' } })
    for (const failing of [
      wrong.load(),
      wrong.put('app.yaml', 'x'),
      probeWatch((options) => wrong.watch(options), limitMs).ended,
    ]) {
      await assert.rejects(failing, (error: SdError) => {
        assert.equal(error.code, 'SD_DENIED')
        assert.doesNotMatch(`${error.stack} ${JSON.stringify(error)}`, /guessed-word/)
        return true
      })
    }
    let asked = 0
    await using source = createNacosConfigSource({
      ...base,
      credentials: () => {
        asked++
        return auth
      },
    })
    const probe = probeWatch((options) => source.watch(options), limitMs)
    await source.put('app.yaml', 'a: 1')
    await probe.until(({ entries }) => assert.equal(entries[0]?.content, 'a: 1'))
    await eventually(() => assert.ok(asked >= 3), limitMs)
    assert.ok(
      probe.seen.every(({ stale }) => stale === undefined),
      'a token is renewed before it ends',
    )
    await probe.stop()
  })
})
