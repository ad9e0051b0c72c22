import type { Balancer, Endpoint, TelemetryEvents } from '@sd/core'
import { subscribeTelemetry } from '@sd/core'
import { createTestEndpoints, createTestView } from '@sd/testing'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createStickyBalancer } from './index.ts'

/** Picks the first available endpoint that was not tried. */
const first: Balancer = {
  name: 'first',
  createPicker: ({ endpoints }) => ({
    pick: ({ attempted }) => endpoints.find((endpoint) => endpoint.available && !attempted?.includes(endpoint)),
  }),
}
const picks: TelemetryEvents['sd:v1:sticky:pick'][] = []
const sessions: TelemetryEvents['sd:v1:sticky:session'][] = []
const ends: (() => void)[] = []

beforeEach(() => {
  picks.length = 0
  sessions.length = 0
  ends.push(
    subscribeTelemetry('sd:v1:sticky:pick', (event) => picks.push(event)),
    subscribeTelemetry('sd:v1:sticky:session', (event) => sessions.push(event)),
  )
})
afterEach(() => {
  for (const end of ends.splice(0)) end()
  vi.restoreAllMocks()
})

test('publishes each pick and each change of a session, without its key, as the statistics count them', () => {
  let now = 1_000
  vi.spyOn(performance, 'now').mockImplementation(() => now)
  const balancer = createStickyBalancer({ balancer: first, maxSessions: 1, timeoutMs: 100 })
  const endpoints = createTestEndpoints([1, 1])
  const picker = balancer.createPicker(createTestView(endpoints))
  const ann = { hashKey: 'ann' }
  picker.pick({})
  picker.pick(ann)
  picker.pick(ann)
  picker.pick({ ...ann, attempted: [endpoints[0] as Endpoint] })
  endpoints[0]?.block('test')
  picker.pick(ann)
  picker.pick({ hashKey: 'bob' })
  now += 101
  picker.pick(ann)
  const named = { balancer: 'sticky-first', service: endpoints[0]?.instance.service }
  const outcomes = ['unkeyed', 'started', 'hit', 'diverted', 'moved', 'started', 'started']
  expect(picks).toEqual(outcomes.map((outcome) => ({ ...named, outcome })))
  const changes = ['started', 'moved', 'evicted', 'started', 'expired', 'started']
  expect(sessions).toEqual(changes.map((change) => ({ ...named, change })))
  expect(balancer.statistics()).toEqual({ hits: 1, started: 3, moved: 1, diverted: 1, expired: 1, evicted: 1, unkeyed: 1 })
})

test('publishes nothing for a request without an endpoint', () => {
  const balancer = createStickyBalancer({ balancer: first })
  const picker = balancer.createPicker(createTestView([]))
  picker.pick({})
  picker.pick({ hashKey: 'ann' })
  expect([picks, sessions]).toEqual([[], []])
  expect(balancer.statistics()).toMatchObject({ unkeyed: 1, started: 0 })
})
