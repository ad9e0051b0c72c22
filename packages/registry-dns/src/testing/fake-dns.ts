import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { type Answer, type DecodedPacket, decode, encode, type Packet } from 'dns-packet'

/** Transport of a query. */
export type Transport = 'datagram' | 'stream'

/** Returns the packets that a fake server sends, in this order, without the length prefix of a stream. */
export type Respond = (query: DecodedPacket, transport: Transport, packet: Buffer) => readonly Buffer[]

/** A DNS server with arbitrary responses for tests. */
export interface FakeDns {
  /** `127.0.0.1:port`. */
  readonly address: string
  readonly port: number
  /** The queries so far. */
  readonly queries: readonly { readonly name: string; readonly type: string; readonly transport: Transport }[]
  /** Replaces the responses. */
  respond(next: Respond): void
  close(): void
}

/** Starts a fake server on a UDP and TCP port on loopback. */
export async function startFakeDns(first: Respond = () => []): Promise<FakeDns> {
  let respond = first
  const queries: { name: string; type: string; transport: Transport }[] = []
  const sockets = new Set<Socket>()
  function answer(packet: Buffer, transport: Transport): readonly Buffer[] {
    const query = decode(packet)
    for (const { name, type } of query.questions ?? []) queries.push({ name, type, transport })
    return respond(query, transport, packet)
  }
  const stream = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.on('data', (chunk) => {
      for (const packet of answer(chunk.subarray(2), 'stream')) {
        const length = Buffer.alloc(2)
        length.writeUInt16BE(packet.length)
        socket.write(Buffer.concat([length, packet]))
      }
    })
  })
  stream.listen(0, '127.0.0.1')
  await once(stream, 'listening')
  const { port } = stream.address() as { port: number }
  const datagram = createSocket('udp4')
  datagram.on('message', (packet, from) => {
    for (const reply of answer(packet, 'datagram')) datagram.send(reply, from.port, from.address)
  })
  datagram.bind(port, '127.0.0.1')
  await once(datagram, 'listening')
  return {
    address: `127.0.0.1:${port}`,
    port,
    queries,
    respond: (next) => {
      respond = next
    },
    close() {
      datagram.close()
      stream.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}

/** A well-formed response to a query. @param flags besides "response"; the lowest four bits are the result code */
export function reply(query: DecodedPacket, parts: Omit<Packet, 'id' | 'questions' | 'type'> = {}): Buffer {
  return encode({ type: 'response', id: query.id, questions: query.questions, ...parts })
}

/** An SRV record. */
export function srv(name: string, target: string, port: number, ttl: number = 60): Answer {
  return { type: 'SRV', name, class: 'IN', ttl, data: { target, port, weight: 1, priority: 0 } }
}

/** An A record. */
export function address(name: string, data: string, ttl: number = 60): Answer {
  return { type: 'A', name, class: 'IN', ttl, data }
}

/** A CNAME record. */
export function alias(name: string, data: string, ttl: number = 60): Answer {
  return { type: 'CNAME', name, class: 'IN', ttl, data }
}

/** A SOA record. */
export function authority(name: string, ttl: number, minimum: number): Answer {
  return { type: 'SOA', name, class: 'IN', ttl, data: { mname: 'ns', rname: 'root', minimum } }
}
