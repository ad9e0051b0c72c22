import assert from 'node:assert/strict'
import { SdError } from '@sd/core'
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import {
  createNacosConnection,
  listenToConfigs,
  type NacosConnection,
  type NacosExchange,
  resolveNacosConnectionOptions,
} from './index.ts'

const unused = createNacosConnection(resolveNacosConnectionOptions({}, 'nacos'))
const places = [{ dataId: 'a.yaml', group: 'g' }]

/** A connection on which `exchange` responds to every request. */
function connectionOf(answer: (request: NacosExchange) => string): NacosConnection {
  const exchange: NacosConnection['exchange'] = async (request) => ({ status: 200, headers: {}, text: answer(request) })
  return { ...unused, exchange, send: async (request, signal) => (await exchange(request, signal)).text }
}

describe('the long poll', () => {
  beforeAll(() => import('nacos'))
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  test.each([
    ['does not hold it back', ''],
    ['always says that a text has changed', 'a.yaml%02g%01\n'],
  ])('does not loop without a pause on a server that %s', async (_, answer) => {
    let polls = 0
    let changes = 0
    const connection = connectionOf(({ method }) => {
      if (method === 'GET') return 'text'
      polls++
      return answer
    })
    const controller = new AbortController()
    const onChange = (): void => void changes++
    const listening = listenToConfigs(connection, { namespace: 'n', places, onChange, signal: controller.signal })
    await vi.advanceTimersByTimeAsync(10_000)
    controller.abort()
    await listening
    expect(polls).toBeGreaterThan(10)
    expect(polls).toBeLessThan(70)
    expect(changes).toBe(1)
  })

  test('ends at the first error, and sends no more requests', async () => {
    let requests = 0
    const connection = connectionOf(() => {
      requests++
      throw new SdError('SD_DENIED', 'no')
    })
    const listening = listenToConfigs(connection, {
      namespace: 'n',
      places,
      onChange: () => undefined,
      signal: new AbortController().signal,
    })
    await assert.rejects(listening, { code: 'SD_DENIED' })
    await vi.advanceTimersByTimeAsync(60_000)
    expect(requests).toBe(1)
  })
})
