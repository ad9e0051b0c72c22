import { type ReadOnlyRegistry, SdError } from '@sd/core'
import { createSeededRandom } from '@sd/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createDnsRegistry } from './index.ts'
import { address, alias, type FakeDns, reply, srv, startFakeDns, type Transport } from './testing/fake-dns.ts'

const random = createSeededRandom(20_261_121)
const draw = (below: number): number => Math.floor(random() * below)

/** One of many malformed responses; sometimes a valid one. */
function answerBadly(genuine: Buffer, transport: Transport): readonly Buffer[] {
  const packet = Buffer.from(genuine)
  const kind = draw(8)
  if (kind === 0) return []
  if (kind === 1) return [Buffer.from(Array.from({ length: draw(1_500) }, () => draw(256)))]
  if (kind === 2) return [packet.subarray(0, draw(packet.length))]
  if (kind === 3) packet.writeUInt16BE(draw(65_536), 0)
  if (kind === 4) packet.writeUInt16BE(0x8000 | draw(0x8000), 2)
  if (kind === 5) packet.writeUInt16BE(0xc000 | draw(packet.length), 12 + draw(packet.length - 14))
  if (kind === 6) for (let flips = draw(20); flips >= 0; flips--) packet[2 + draw(packet.length - 2)] = draw(256)
  const twice = draw(4) === 0 && transport === 'datagram'
  return twice ? [packet, genuine] : [packet]
}

describe('a hostile server', () => {
  let server: FakeDns
  let registry: ReadOnlyRegistry
  beforeAll(async () => {
    server = await startFakeDns((query, transport) => {
      const name = query.questions?.[0]?.name ?? ''
      const answers = name.startsWith('_')
        ? [alias(name, 'b.test'), srv('b.test', 'one.x.test', 80), srv('b.test', 'two.x.test', 81)]
        : [address(name, '10.0.0.1')]
      const genuine = reply(query, { answers, flags: draw(4) === 0 && transport === 'datagram' ? 0x200 : 0 })
      return answerBadly(genuine, transport)
    })
    registry = createDnsRegistry({ servers: [server.address, server.address], domain: 'x.test', timeoutMs: 20 })
  })
  afterAll(async () => {
    await registry.close()
    server.close()
  })

  test('causes an error with a code or a valid result, and nothing breaks', { timeout: 60_000 }, async () => {
    const outcomes = new Map<string, number>()
    async function readOnce(): Promise<void> {
      const outcome = await registry.getInstances('orders').then(
        ({ instances }) => {
          for (const one of instances) expect(one).toMatchObject({ service: 'orders', port: expect.any(Number) })
          return 'a list'
        },
        (error: unknown) => (error instanceof SdError ? error.code : String(error)),
      )
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
    }
    for (let round = 0; round < 15; round++) await Promise.all(Array.from({ length: 30 }, readOnce))
    expect([...outcomes.keys()].sort()).toEqual(['SD_UNAVAILABLE', 'a list'])
  })
})
