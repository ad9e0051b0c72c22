import { randomUUID } from 'node:crypto'
import type { Lock } from '@sd/core'
import { type ConsulServer, type FaultyLink, obtainServer, startConsul, startToxiproxy, type Toxiproxy } from '@sd/test-servers'
import { eventually } from '@sd/testing'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type ConsulLockOptions, createConsulLock } from './index.ts'

const consul = await obtainServer('consul', { own: true })
const toxiproxy = await obtainServer('toxiproxy')
const limitMs = 15_000
const managementToken = '11111111-2222-3333-4444-555555555555'

describe.runIf(consul && toxiproxy)('lock-consul', { timeout: 60_000 }, () => {
  let server: ConsulServer
  let proxy: Toxiproxy
  let prefix: string
  const opened: Lock[] = []
  beforeAll(async () => {
    if (!consul || !toxiproxy) return
    const config = { session_ttl_min: '1s' }
    ;[server, proxy] = await Promise.all([startConsul(consul, { config, managementToken }), startToxiproxy(toxiproxy)])
  })
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((lock) => lock.close()))
  })
  afterAll(() => Promise.all([server.close(), proxy.close()]))

  function open(options: ConsulLockOptions = {}, link?: FaultyLink): Lock {
    prefix = options.prefix ?? `test/${randomUUID()}`
    const servers = [`127.0.0.1:${(link ?? server).port}`]
    const defaults = { servers, prefix, ttlMs: 2_000, operationTimeoutMs: 2_000, token: managementToken }
    const lock = createConsulLock({ ...defaults, ...options })
    opened.push(lock)
    return lock
  }
  const keysOf = async (): Promise<readonly string[]> =>
    (await server.call('GET', `/v1/kv/${prefix}?keys`).catch(() => [])) as readonly string[]

  test('a released lock leaves no key, and a closed client no session', async () => {
    const lock = open()
    const handle = await lock.acquire('job', { value: 'ünïcode' })
    expect([await keysOf(), (await lock.holder('job'))?.value]).toEqual([[`${prefix}/job`], 'ünïcode'])
    await handle.release()
    expect(await keysOf()).toEqual([])
    await lock.acquire('job')
    await lock.close()
    expect([await keysOf(), await server.call('GET', '/v1/session/list')]).toEqual([[], []])
  })

  test('a session that an operator destroyed is noticed, and another one is opened', async () => {
    const lock = open()
    const handle = await lock.acquire('job')
    const [session] = (await server.call('GET', '/v1/session/list')) as readonly { ID: string; NodeChecks: unknown }[]
    expect(session?.NodeChecks ?? []).toEqual([])
    await server.call('PUT', `/v1/session/destroy/${session?.ID}`)
    await eventually(() => expect(handle.signal.aborted).toBe(true), limitMs)
    await handle.release()
    const again = await lock.acquire('job', { timeoutMs: limitMs })
    expect(again.token).toBeGreaterThan(handle.token)
  })

  test('a key that an operator changes is still released', async () => {
    // The session outlives the test: only the release can free the key.
    const one = open({ ttlMs: 60_000 })
    const two = open({ prefix })
    const handle = await one.acquire('job')
    await server.call('PUT', `/v1/kv/${prefix}/job`, 'a note')
    expect([handle.signal.aborted, (await two.holder('job'))?.value]).toEqual([false, '"a note"'])
    const waiting = two.acquire('job', { timeoutMs: limitMs })
    await handle.release()
    expect((await waiting).token).toBeGreaterThan(handle.token)
  })

  test('a key that an operator changes during an outage is released after it', async () => {
    const link = await proxy.link(server.port)
    const [cut, other] = [open({ ttlMs: 10_000 }, link), open({ prefix })]
    const handle = await cut.acquire('job')
    await link.cut()
    await server.call('PUT', `/v1/kv/${prefix}/job`, 'a note')
    await handle.release()
    await link.restore()
    await eventually(async () => expect(await other.holder('job')).toBeUndefined(), limitMs)
  })

  test('a client whose own callers compete grants the lock to one at a time', async () => {
    const lock = open()
    const first = await lock.acquire('job')
    const waiting = lock.acquire('job', { timeoutMs: limitMs })
    await first.release()
    const second = await waiting
    expect(second.token).toBeGreaterThan(first.token)
    expect((await lock.holder('job'))?.token).toBe(second.token)
  })

  test('Consul holds a lock back for the lock delay, and the caller waits for it', async () => {
    const [one, other] = [open({ lockDelayMs: 1_500 }), open({ prefix, lockDelayMs: 1_500 })]
    await one.acquire('job')
    const sessions = (await server.call('GET', '/v1/session/list')) as readonly { readonly ID: string }[]
    for (const { ID } of sessions) await server.call('PUT', `/v1/session/destroy/${ID}`)
    expect(await other.tryAcquire('job')).toBeUndefined()
    expect(await other.holder('job')).toBeUndefined()
    const handle = await other.acquire('job', { timeoutMs: limitMs })
    expect((await other.holder('job'))?.token).toBe(handle.token)
  })

  test('a release during an outage reaches Consul afterwards', async () => {
    const link = await proxy.link(server.port)
    const [cut, other] = [open({ ttlMs: 10_000 }, link), open({ prefix })]
    const handle = await cut.acquire('job')
    await link.cut()
    await handle.release()
    expect((await other.holder('job'))?.token).toBe(handle.token)
    await link.restore()
    await eventually(async () => expect(await other.holder('job')).toBeUndefined(), limitMs)
  })

  test('a lock that was acquired without a response is released', async () => {
    const link = await proxy.link(server.port)
    const [cut, other] = [open({ ttlMs: 10_000 }, link), open({ prefix })]
    await (await cut.acquire('warm')).release()
    await link.delay(1_000)
    await expect(cut.tryAcquire('job', { timeoutMs: 1_200 })).rejects.toMatchObject({ code: 'SD_TIMEOUT' })
    await link.restore()
    await eventually(async () => expect(await other.holder('job')).toBeUndefined(), limitMs)
    const mine = await other.acquire('job', { timeoutMs: limitMs })
    expect((await cut.holder('job'))?.token).toBe(mine.token)
  })

  test('a caller without permission gets an error', async () => {
    const lock = open({ token: '99999999-aaaa-bbbb-cccc-dddddddddddd' })
    await expect(lock.acquire('job')).rejects.toMatchObject({ code: 'SD_DENIED' })
    await expect(lock.holder('job')).rejects.toMatchObject({ code: 'SD_DENIED' })
  })

  test('a time to live that Consul does not accept is refused', async () => {
    expect(() => open({ ttlMs: 90_000_000 })).toThrow('Invalid ttlMs: got 90000000')
  })

  test('a restarted server keeps the lock, or its loss is reported', async () => {
    const lock = open()
    const handle = await lock.acquire('job')
    await server.kill()
    await server.start()
    const isLost = (): boolean => handle.signal.aborted
    await eventually(async () => {
      const holder = await lock.holder('job')
      expect(isLost() || holder?.token === handle.token).toBe(true)
    }, limitMs)
    await handle.release()
    const again = await lock.acquire('job', { timeoutMs: limitMs })
    expect(again.token).toBeGreaterThan(handle.token)
  })
})
