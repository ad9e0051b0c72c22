import { SdError, subscribeTelemetry, type TelemetryEvents } from '@sd/core'
import { expect, onTestFinished, test } from 'vitest'
import { key, setUp, withChanges } from './testing/setup.ts'

type WriteEvent = TelemetryEvents['sd:v1:config:write']

function collect(): WriteEvent[] {
  const events: WriteEvent[] = []
  onTestFinished(subscribeTelemetry('sd:v1:config:write', (event) => void events.push(event)))
  return events
}

test('every version is published, also one from outside the history, and no event has a value', async () => {
  const events = collect()
  const { history, texts } = setUp()
  await history.put('{"a":"secret value"}', { comment: 'begin, with token=tiger' })
  await history.put('{"a":2}', { author: 'bob' })
  texts.put(key, '{"a":3}')
  await history.list()
  await history.rollback(1)
  await history.delete()
  await expect(history.put('x', { ifVersion: 1 })).rejects.toMatchObject({ code: 'SD_CONFLICT' })
  await history.list()
  const place = { source: 'memory', key }
  expect(events).toEqual([
    { ...place, change: 'put', version: 1, author: 'ann', comment: 'begin, with token=***' },
    { ...place, change: 'put', version: 2, author: 'bob' },
    { ...place, change: 'external', version: 3 },
    { ...place, change: 'rollback', version: 4, of: 1, author: 'ann' },
    { ...place, change: 'delete', version: 5, author: 'ann' },
  ])
  expect(JSON.stringify(events)).not.toMatch(/secret value|tiger/)
})

test('a write whose outcome was unknown is published once it is found, and one without effect is not', async () => {
  const { source, open } = setUp()
  const events = collect()
  const lost = new SdError('SD_TIMEOUT', 'no answer')
  let isWritten = true
  const broken = open({
    source: withChanges(source, {
      async put(...write) {
        if (isWritten) await source.put(...write)
        throw lost
      },
    }),
  })
  await expect(broken.put('1')).rejects.toBe(lost)
  expect(events).toEqual([])
  await broken.list()
  expect(events.map(({ version, change }) => [version, change])).toEqual([[1, 'put']])
  isWritten = false
  await expect(broken.put('2')).rejects.toBe(lost)
  await open().put('3')
  expect(events.map(({ version }) => version)).toEqual([1, 3])
})

test('a write whose outcome could not be recorded is published once', async () => {
  const { source, store, open } = setUp()
  const events = collect()
  let appends = 0
  const history = open({
    store: {
      ...store,
      async append(...records) {
        appends++
        if (appends === 2) throw new SdError('SD_UNAVAILABLE', 'unreachable')
        return store.append(...records)
      },
    },
  })
  expect(await history.put('1')).toMatchObject({ state: 'pending' })
  expect(await history.list()).toMatchObject([{ version: 1, state: 'written' }])
  await history.put('2')
  expect(events.map(({ version }) => version)).toEqual([1, 2])
  expect((await source.load()).entries).toHaveLength(1)
})
