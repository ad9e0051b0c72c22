import { closedError, type Registration } from '@sd/core'
import { describe, expect, test } from 'vitest'
import type { AdminErrorBody, ChangeReport, HistoriesReport, HistoryDiffReport, HistoryReport, TryCallReport } from './index.ts'
import { ask, change } from './testing/ask.ts'
import { startWorld } from './testing/world.ts'

describe('breakers', () => {
  test.each([
    ['open', 'open'],
    ['isolated', 'isolated'],
    ['closed', 'closed'],
  ])('%s', async (state, expected) => {
    await using world = await startWorld()
    await using server = await world.serve({ controls: { client: world.client } })
    const answer = await change(`${server.origin}/sd/v1/breakers/stock`, { state, reason: 'x' })
    expect(answer.json<ChangeReport>()).toEqual({ action: 'breaker.set', target: 'stock', before: 'closed', after: expected })
    expect(world.client.breaker('stock')?.state).toBe(expected)
  })

  test('an unknown breaker, state or member is refused', async () => {
    await using world = await startWorld()
    await using server = await world.serve({ controls: { client: world.client } })
    const statusOf = async (path: string, body: object) => (await change(`${server.origin}/sd/v1${path}`, body)).status
    expect(await statusOf('/breakers/other', { state: 'open', reason: 'x' })).toBe(404)
    expect(await statusOf('/breakers/stock/stock-9', { state: 'open', reason: 'x' })).toBe(404)
    expect(await statusOf('/breakers/stock', { state: 'ajar', reason: 'x' })).toBe(400)
    expect(await statusOf('/breakers/stock', { state: 'open', more: 1, reason: 'x' })).toBe(400)
    expect(world.audits.map(({ error }) => error?.code)).toEqual(['SD_NOT_FOUND', 'SD_NOT_FOUND', 'SD_INVALID', 'SD_INVALID'])
  })
})

describe('config', () => {
  test('a value is overridden and restored', async () => {
    await using world = await startWorld()
    await using server = await world.serve({ controls: { config: world.config } })
    const url = `${server.origin}/sd/v1/config`
    const set = await change(`${url}/set`, { path: 'pool.size', value: 9, reason: 'load' })
    expect(set.json<ChangeReport>()).toEqual({ action: 'config.set', target: 'pool.size', before: 5, after: 9 })
    expect(world.config.get('pool.size' as never)).toBe(9)
    const unset = await change(`${url}/unset`, { path: 'pool.size', reason: 'over' })
    expect(unset.json<ChangeReport>()).toMatchObject({ before: 9, after: 5 })
    expect((await change(`${url}/reload`, { reason: 'x' })).status).toBe(200)
    expect((await change(`${url}/set`, { path: 'pool.size', reason: 'x' })).json<AdminErrorBody>().error.field).toBe('body.value')
  })
})

describe('alerts', () => {
  test('a silence is added and ended', async () => {
    await using world = await startWorld()
    await using server = await world.serve({ controls: { alerts: world.alerts } })
    const url = `${server.origin}/sd/v1/alerts`
    const added = await change(`${url}/silences`, { rule: 'slow', durationMs: 60_000, reason: 'deploy' })
    expect(world.alerts.silences()).toMatchObject([{ rule: 'slow', comment: 'deploy (loopback)' }])
    const { id } = added.json<ChangeReport>().after as { readonly id: string }
    expect((await change(`${url}/silences/${id}/expire`, { reason: 'done' })).status).toBe(200)
    expect(world.alerts.silences()).toEqual([])
    expect((await change(`${url}/silences/${id}/expire`, { reason: 'done' })).status).toBe(404)
    expect((await change(`${url}/silences`, { labels: { service: 'stock' }, durationMs: 1_000, reason: 'x' })).status).toBe(200)
    expect((await change(`${url}/silences`, { durationMs: 1_000, reason: 'x' })).status).toBe(400)
  })

  test('a rule is disabled and enabled', async () => {
    await using world = await startWorld()
    await using server = await world.serve({ controls: { alerts: world.alerts } })
    const url = `${server.origin}/sd/v1/alerts/rules`
    const off = await change(`${url}/slow`, { enabled: false, reason: 'noise' })
    expect(off.json<ChangeReport>()).toMatchObject({ before: { enabled: true }, after: { enabled: false } })
    expect(world.alerts.state().rules).toMatchObject([{ name: 'slow', enabled: false }])
    expect((await change(`${url}/slow`, { enabled: true, reason: 'x' })).json<ChangeReport>().before).toEqual({ enabled: false })
    expect((await change(`${url}/other`, { enabled: true, reason: 'x' })).status).toBe(404)
  })
})

describe('draining', () => {
  test('an instance leaves and comes back with the health that it had', async () => {
    await using world = await startWorld()
    await using server = await world.serve({ controls: { registrations: () => [world.stock] } })
    await world.stock.update({ health: { status: 'unhealthy', message: 'disk' } })
    const url = `${server.origin}/sd/v1/draining`
    const drained = await change(url, { draining: true, reason: 'maintenance' })
    expect(drained.json<ChangeReport>()).toMatchObject({
      target: 'stock/stock-1',
      before: { 'stock/stock-1': 'unhealthy' },
      after: { 'stock/stock-1': 'draining' },
    })
    const read = async () => (await world.registry.getInstances('stock')).instances.map(({ health }) => health)
    expect(await read()).toMatchObject([{ status: 'draining', message: 'maintenance' }])
    await change(url, { draining: true, reason: 'again' })
    await change(url, { draining: false, service: 'stock', instanceId: 'stock-1', reason: 'done' })
    expect(await read()).toMatchObject([{ status: 'unhealthy', message: 'disk' }])
    expect((await change(url, { draining: true, service: 'other', reason: 'x' })).status).toBe(404)
  })

  test('the error of the registry is the answer', async () => {
    await using world = await startWorld()
    const { instance, state } = world.stock
    const broken = { instance, state, update: () => Promise.reject(closedError('registry')) } as unknown as Registration
    await using server = await world.serve({ controls: { registrations: [broken] } })
    const answer = await change(`${server.origin}/sd/v1/draining`, { draining: true, reason: 'x' })
    expect([answer.status, answer.json<AdminErrorBody>().error.code]).toEqual([503, 'SD_CLOSED'])
    expect(world.audits).toMatchObject([{ action: 'registration.draining', error: { code: 'SD_CLOSED' } }])
  })
})

describe('log-level', () => {
  test('is set, and a level that the logger refuses is not', async () => {
    await using world = await startWorld()
    const logging = {
      current: 'info',
      get level() {
        return this.current
      },
      set level(next) {
        if (!['info', 'debug'].includes(next)) throw new Error(`unknown level ${next}`)
        this.current = next
      },
    }
    await using server = await world.serve({ controls: { logging } })
    const answer = await change(`${server.origin}/sd/v1/log-level`, { level: 'debug', reason: 'x' })
    expect(answer.json<ChangeReport>()).toMatchObject({ before: 'info', after: 'debug' })
    expect((await change(`${server.origin}/sd/v1/log-level`, { level: 'all', reason: 'x' })).status).toBe(400)
    expect(logging.level).toBe('debug')
  })
})

describe('histories', () => {
  test('are listed, compared with a mask, written and rolled back', async () => {
    await using world = await startWorld()
    await using server = await world.serve({ controls: { histories: { orders: world.history } } })
    const url = `${server.origin}/sd/v1/histories`
    expect((await ask(url)).json<HistoriesReport>()).toEqual({ histories: ['orders'] })
    expect((await ask(`${url}/orders/diff?before=1&after=2`)).json<HistoryDiffReport>().differences).toEqual([
      { path: 'size', kind: 'updated', before: 1, after: 2 },
      { path: 'db.password', kind: 'updated', before: '***', after: '***' },
    ])
    const back = await change(`${url}/orders/rollback`, { version: 1, ifVersion: 2, reason: 'undo' })
    expect(back.json<ChangeReport>()).toMatchObject({ target: 'orders', before: { version: 2 }, after: { version: 3, of: 1 } })
    const late = await change(`${url}/orders/rollback`, { version: 2, ifVersion: 2, reason: 'undo' })
    expect(late.status).toBe(409)
    await change(`${url}/orders/put`, { content: 'size: 4\n', ifVersion: 3, reason: 'more' })
    const { versions } = (await ask(`${url}/orders`)).json<HistoryReport>()
    expect(versions.map(({ version, change: kind, author, comment }) => [version, kind, author, comment])).toEqual([
      [4, 'put', 'loopback', 'more'],
      [3, 'rollback', 'loopback', 'undo'],
      [2, 'put', 'test', undefined],
      [1, 'put', 'test', undefined],
    ])
    expect(await world.history.get(4)).toMatchObject({ content: 'size: 4\n' })
    expect((await change(`${url}/orders/put`, { content: 'x', reason: 'x' })).json<AdminErrorBody>().error.field).toBe(
      'body.ifVersion',
    )
    expect((await ask(`${url}/other`)).status).toBe(404)
    expect((await ask(`${url}/orders/diff?before=1`)).status).toBe(400)
  })
})

describe('calls', () => {
  test('one call is made and explained', async () => {
    await using world = await startWorld()
    await using server = await world.serve({ controls: { client: world.client, allowCalls: true } })
    const answer = await change(`${server.origin}/sd/v1/calls/try`, { service: 'stock', path: '/x?a=1', reason: 'look' })
    const { target, after } = answer.json<ChangeReport>()
    expect(target).toBe('stock GET /x')
    expect(after).toMatchObject({ service: 'stock', status: 200, steps: [{ step: 'picked' }, { step: 'responded' }] })
  })

  test('a call that fails is a result', async () => {
    await using world = await startWorld()
    await using server = await world.serve({ controls: { client: world.client, allowCalls: true } })
    const answer = await change(`${server.origin}/sd/v1/calls/try`, {
      service: 'nowhere',
      path: '/',
      timeoutMs: 2_000,
      reason: 'x',
    })
    expect(answer.status).toBe(200)
    expect((answer.json<ChangeReport>().after as TryCallReport).error?.code).toBe('SD_NO_INSTANCE')
  })

  test('need the permission besides the client', async () => {
    await using world = await startWorld()
    await using server = await world.serve({ controls: { client: world.client } })
    expect((await change(`${server.origin}/sd/v1/calls/try`, { service: 'stock', path: '/', reason: 'x' })).status).toBe(405)
    await expect(world.serve({ controls: { allowCalls: true } })).rejects.toThrow(/controls\.allowCalls/)
  })
})
