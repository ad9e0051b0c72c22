import { setImmediate as turn } from 'node:timers/promises'
import { assembleRegistry } from '@sd/adapter-kit'
import { createSnapshot, type Registration, type Registry, type ServiceInstance } from '@sd/core'
import { createSeededRandom, plainSpec } from '@sd/testing'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createFailoverRegistry } from './index.ts'

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance', 'Date'] })
})
afterEach(() => {
  vi.useRealTimers()
})

interface SlowMember {
  readonly registry: Registry
  readonly stored: Map<string, { instance: ServiceInstance; incarnation: string }>
}

/** A member whose backend processes one of `requests` when it is called. */
function createSlowMember(name: string, requests: (() => void)[]): SlowMember {
  const stored = new Map<string, { instance: ServiceInstance; incarnation: string }>()
  const request = (work: () => void): Promise<void> =>
    new Promise((resolve) => {
      requests.push(() => {
        work()
        resolve()
      })
    })
  const { registry } = assembleRegistry({
    name,
    capabilities: { register: true, watch: 'push', listServices: false, ttl: true, conditionalRemove: true },
    operationTimeoutMs: 5_000,
    ttlMs: 30_000,
    list: async (service) => createSnapshot({ service, instances: [] }),
    ping: async () => undefined,
    follow: () => Promise.resolve(),
    remove: () => Promise.resolve(),
    close: () => undefined,
    driver: {
      put: (instance, { incarnation }) => request(() => stored.set(instance.id, { instance, incarnation })),
      remove: ({ id }, { incarnation }) =>
        request(() => {
          if (stored.get(id)?.incarnation === incarnation) stored.delete(id)
        }),
    },
  })
  return { registry, stored }
}

async function check(seed: number): Promise<void> {
  const random = createSeededRandom(seed)
  const requests: (() => void)[] = []
  const serve = async (): Promise<void> => {
    requests.splice(Math.floor(random() * requests.length), 1)[0]?.()
    await turn()
  }
  const members = [createSlowMember('a', requests), createSlowMember('b', requests)]
  const registry = createFailoverRegistry({
    mode: 'migration',
    members: members.map((member) => ({ registry: member.registry })),
    closeMembers: seed % 2 === 0,
  })
  const handles: Registration[][] = [[], [], []]
  let latest: Registration | undefined
  let calls = 0
  for (let step = 0; step < 30; step++) {
    const mine = handles[Math.floor(random() * 3)] as Registration[]
    const handle = mine.at(-1)
    const choice = random()
    if (!handle || choice < 0.5) {
      const call = ++calls
      latest = undefined
      void registry.register({ ...plainSpec('orders', 1), weight: step + 1 }).then((made) => {
        mine.push(made)
        if (call === calls) latest = made
      })
    } else if (choice < 0.75) {
      handle.update({ weight: 100 + step }).catch(() => undefined)
    } else {
      void handle.deregister()
      mine.pop()
    }
    for (let served = Math.floor(random() * 5); served > 0; served--) await serve()
  }
  for (let quiet = 0; quiet < 3; quiet = requests.length > 0 ? 0 : quiet + 1) await serve()
  const wanted = latest?.state === 'active' ? latest.instance.weight : undefined
  for (const { stored } of members) {
    const found = stored.get('orders-1')?.instance.weight
    expect(found, `seed ${seed}: the handle is ${latest?.state}`).toBe(wanted)
  }
  if (random() < 0.5) void latest?.deregister()
  let isClosed = false
  const closing = registry.close().then(() => {
    isClosed = true
  })
  for (let turns = 0; turns < 50 && !isClosed; turns++) await serve()
  await closing
  expect([requests.length, ...members.map(({ stored }) => stored.size)], `seed ${seed}: after close`).toEqual([0, 0, 0])
  for (const member of members) await member.registry.close()
  expect(vi.getTimerCount()).toBe(0)
}

test('of concurrent operations the last applies on every member, and closing waits for all', { timeout: 120_000 }, async () => {
  for (let seed = 0; seed < 500; seed++) await check(seed)
})
