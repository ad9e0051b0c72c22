import assert from 'node:assert/strict'
import { connect } from 'node:net'
import type { CaseBody } from '../contract.ts'
import { eventually, within } from '../waiting.ts'
import type { ProtocolStage } from './protocol-stage.ts'

async function untilNoneIsOpen(stage: ProtocolStage): Promise<void> {
  const { gateway, eventuallyMs } = stage
  await eventually(() => assert.equal(gateway.connections(), 0, 'connections are open that should have closed'), eventuallyMs)
  for (const service of stage.served) await service.untilLeft(eventuallyMs, 'the service')
}

async function checkWorks(stage: ProtocolStage): Promise<void> {
  const { client, service } = await stage.open('it still works')
  client.socket.end()
  service.socket.end()
  await client.untilClosed(stage.eventuallyMs, 'the client')
}

/** How connections end. */
export const endCases: Readonly<Record<string, CaseBody<ProtocolStage>>> = {
  'a client that closes the side it sends on gets what the service sends afterwards': async (stage) => {
    await stage.start()
    const { client, service } = await stage.open()
    client.socket.end()
    await service.untilEnded(stage.eventuallyMs, 'the service')
    const response = stage.message('after the end')
    service.socket.end(response)
    await client.until(response, stage.eventuallyMs, 'the client')
    await client.untilEnded(stage.eventuallyMs, 'the client')
    await untilNoneIsOpen(stage)
  },

  'a service that closes the side it sends on gets what the client sends afterwards': async (stage) => {
    await stage.start()
    const { client, service } = await stage.open('first')
    const response = stage.message('last')
    service.socket.end(response)
    await client.until(response, stage.eventuallyMs, 'the client')
    await client.untilEnded(stage.eventuallyMs, 'the client')
    client.socket.end(stage.message('second'))
    await service.until(Buffer.concat([stage.message('first'), stage.message('second')]), stage.eventuallyMs, 'the service')
    await service.untilEnded(stage.eventuallyMs, 'the service')
    await untilNoneIsOpen(stage)
  },

  'a connection that the client resets is closed to the service': async (stage) => {
    await stage.start()
    const { client } = await stage.open()
    client.socket.resetAndDestroy()
    await untilNoneIsOpen(stage)
    await checkWorks(stage)
  },

  'a connection that the service resets is closed to the client': async (stage) => {
    await stage.start()
    const { client, service } = await stage.open()
    service.socket.resetAndDestroy()
    await client.untilLeft(stage.eventuallyMs, 'the client')
    client.socket.end()
    await client.untilClosed(stage.eventuallyMs, 'the client')
    await untilNoneIsOpen(stage)
    await checkWorks(stage)
  },

  'clients that leave before they are connected, or in their first message, leave nothing behind': async (stage) => {
    await stage.start()
    const first = stage.message('left')
    for (let length = 0; length <= first.byteLength; length++) {
      const socket = connect(stage.gateway.address)
      socket.on('error', () => {})
      socket.on('connect', () => {
        if (length === 0) socket.resetAndDestroy()
        else socket.write(first.subarray(0, length), () => (length % 2 ? socket.destroy() : socket.resetAndDestroy()))
      })
    }
    await checkWorks(stage)
    // The service has only read when the gateway connects; it ends what the clients have left half open.
    for (const service of stage.served) service.socket.end()
    await eventually(() => assert.equal(stage.gateway.connections(), 0, 'connections were left behind'), stage.eventuallyMs)
  },

  "a service that can't be reached closes the connection of the client": async (stage) => {
    await stage.start()
    stage.stopService()
    const client = await stage.connect()
    client.socket.write(stage.message('hello'))
    await client.untilLeft(stage.eventuallyMs, 'the client')
    client.socket.end()
    await untilNoneIsOpen(stage)
  },
}

/** What the gateway ends, and what it keeps. */
export const gatewayCases: Readonly<Record<string, CaseBody<ProtocolStage>>> = {
  'connections above the limit of the route are closed, and the others continue': async (stage) => {
    await stage.start({ concurrency: 1 })
    const { client, service } = await stage.open()
    const second = await stage.connect()
    second.socket.write(stage.message('too many'))
    await second.untilLeft(stage.eventuallyMs, 'a client above the limit')
    second.socket.end()
    assert.equal(stage.served.length, 1, 'the service has a connection above the limit')
    service.socket.write(stage.message('still here'))
    await client.until(stage.message('still here'), stage.eventuallyMs, 'the client')
    client.socket.end()
    service.socket.end()
    await untilNoneIsOpen(stage)
    await checkWorks(stage)
  },

  'a reload keeps the connections of an unchanged route': async (stage) => {
    await stage.start()
    const { client, service } = await stage.open()
    await within(stage.gateway.reload(), stage.eventuallyMs, 'reload()')
    await checkWorks(stage)
    client.socket.write(stage.message('still here'))
    await service.until(Buffer.concat([stage.message('hello'), stage.message('still here')]), stage.eventuallyMs, 'the service')
    assert.equal(client.hasEnded, false, 'the reload has ended the connection')
  },

  'a drain leaves connections time, and both peers that end get all octets': async (stage) => {
    await stage.start()
    const { client, service } = await stage.open()
    const closed = stage.gateway.close()
    const response = stage.message('in the drain')
    service.socket.end(response)
    await client.until(response, stage.eventuallyMs, 'the client')
    client.socket.end()
    await within(closed, stage.eventuallyMs, 'close()')
  },

  'a drain is bounded: connections that do not end are closed': async (stage) => {
    await stage.start()
    const { client, service } = await stage.open()
    await within(stage.gateway.close(), stage.eventuallyMs, 'close()')
    await service.untilLeft(stage.eventuallyMs, 'the service')
    await client.untilLeft(stage.eventuallyMs, 'the client')
    assert.equal(stage.gateway.connections(), 0)
  },
}
