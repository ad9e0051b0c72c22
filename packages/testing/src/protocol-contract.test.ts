import { describe, expect, test } from 'vitest'
import { protocolContract } from './index.ts'
import { type StreamFault, startStreamProxy } from './testing/stream-proxy.ts'

describe('a sound proxy keeps the contract', () => {
  for (const { name, run } of protocolContract({ setup: (setup) => startStreamProxy(setup), eventuallyMs: 20_000 })) {
    test.concurrent(name, run)
  }
})

test.concurrent.each<[StreamFault, string]>([
  ['loses the first octets', 'arrive with the connection'],
  ['takes the first chunk for a message', 'one at a time'],
  ['changes a large message', 'large messages'],
  ['does not wait for the client', 'a client that does not read'],
  ['does not wait for the service', 'a service that does not read'],
  ['closes with the client', 'a client that closes the side'],
  ['closes with the service', 'a service that closes the side'],
  ['ignores a reset of the client', 'the client resets'],
  ['ignores a reset of the service', 'the service resets'],
  ['counts clients that have left', 'leave before they are connected'],
  ['keeps clients without a service', "can't be reached"],
  ['has no limit', 'above the limit'],
  ['closes with a reload', 'a reload keeps'],
  ['drains at once', 'a drain leaves'],
  ['drains for ever', 'a drain is bounded'],
])('a proxy that %s fails the case "… %s …"', async (fault, name) => {
  const cases = protocolContract({ setup: (setup) => startStreamProxy(setup, fault), eventuallyMs: 600 })
  const found = cases.filter((one) => one.name.includes(name))
  expect(found).toHaveLength(1)
  await expect(found[0]?.run()).rejects.toThrow()
})

test.each([
  [{}, 'harness.setup'],
  [{ setup: () => {}, encode: 'utf8' }, 'harness.encode'],
  [{ setup: () => {}, eventuallyMs: 0 }, 'harness.eventuallyMs'],
  [{ setup: () => {}, limitMs: 1 }, 'harness.limitMs'],
])('a harness with a mistake is refused: %o', (harness, field) => {
  expect(() => protocolContract(harness as never)).toThrow(expect.objectContaining({ code: 'SD_INVALID', field }))
})
