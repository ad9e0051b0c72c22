import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import type { CaseBody } from '../contract.ts'
import { eventually } from '../waiting.ts'
import type { ProtocolPeer } from './protocol-peer.ts'
import type { ProtocolStage } from './protocol-stage.ts'

const mebibyte = 1_048_576

/** More than the buffers of two connections hold. */
const bulkBytes = 48 * mebibyte

/** Checks in a row without progress. A single one can be a pause of the machine. */
const quietChecks = 4

/** Waits until no more is accepted for a while: what was sent until then is what the buffers hold. */
async function untilStalled(sender: { readonly sent: number }, limitMs: number): Promise<number> {
  const endAt = performance.now() + limitMs
  for (let quiet = 0; quiet < quietChecks; ) {
    assert.ok(performance.now() < endAt || quiet > 0, `the gateway has taken ${sender.sent} octets, and takes more`)
    const before = sender.sent
    await delay(50)
    quiet = sender.sent === before ? quiet + 1 : 0
  }
  return sender.sent
}

async function pushToSlowReader(stage: ProtocolStage, sender: ProtocolPeer, reader: ProtocolPeer, what: string): Promise<void> {
  const chunk = stage.message(Buffer.alloc(65_000, 'x'))
  const before = reader.bytes
  reader.socket.pause()
  const bulk = sender.push(chunk, bulkBytes)
  const held = await untilStalled(bulk, stage.eventuallyMs)
  assert.ok(held < bulkBytes, `${what} does not read, and the gateway has taken all of ${bulkBytes} octets`)
  reader.socket.resume()
  await bulk.done
  await eventually(() => assert.equal(reader.bytes - before, bulk.sent, what), stage.eventuallyMs)
}

/** Octets arrive complete, in order, and at the pace of the reader. */
export const transferCases: Readonly<Record<string, CaseBody<ProtocolStage>>> = {
  'octets that arrive with the connection are forwarded, and the response returned': async (stage) => {
    await stage.start()
    const client = await stage.connect()
    const messages = Buffer.concat(['one', 'two', 'three'].map((text) => stage.message(text)))
    client.socket.write(messages)
    const service = await stage.next(0)
    await service.until(messages, stage.eventuallyMs, 'the service')
    const response = stage.message('response')
    service.socket.write(response)
    await client.until(response, stage.eventuallyMs, 'the client')
  },

  'octets that arrive one at a time are forwarded': async (stage) => {
    await stage.start()
    const client = await stage.connect()
    const messages = Buffer.concat([stage.message('slow'), stage.message('one')])
    for (const octet of messages) {
      client.socket.write(Buffer.of(octet))
      await delay(2)
    }
    const service = await stage.next(0)
    await service.until(messages, stage.eventuallyMs, 'the service')
    for (const octet of messages) {
      service.socket.write(Buffer.of(octet))
      await delay(1)
    }
    await client.until(messages, stage.eventuallyMs, 'the client')
  },

  'large messages arrive unchanged in both directions at once': async (stage) => {
    await stage.start()
    const client = await stage.connect()
    const chunks = Array.from({ length: 64 }, (_, index) => stage.message(Buffer.alloc(65_000, `chunk ${index}`)))
    const all = Buffer.concat(chunks)
    client.socket.write(all)
    const service = await stage.next(0)
    service.socket.write(all)
    await service.until(all, stage.eventuallyMs, 'the service')
    await client.until(all, stage.eventuallyMs, 'the client')
  },

  'a client that does not read slows the service down': async (stage) => {
    await stage.start()
    const { client, service } = await stage.open()
    await pushToSlowReader(stage, service, client, 'the client')
  },

  'a service that does not read slows the client down': async (stage) => {
    await stage.start()
    const { client, service } = await stage.open()
    await pushToSlowReader(stage, client, service, 'the service')
  },
}
