import { type Answer, type DecodedPacket, decode, encode, type Packet, RECURSION_DESIRED } from 'dns-packet'

/** Types of records that are asked for. */
export type QueryType = 'A' | 'AAAA' | 'SRV' | 'SOA'

/** A record of an answer. */
export type DnsRecord = Answer

/** What is asked. */
export interface DnsQuestion {
  /** Absolute name, without the dot at its end. */
  readonly name: string
  readonly type: QueryType
}

/** A question as it goes over the wire. */
export interface DnsQuery {
  readonly id: number
  readonly packet: Buffer
  /** The question's part of the packet, which an answer must repeat. */
  readonly echo: string
}

/** What a packet says to a query. */
export type DnsReply =
  /** It is no answer to this query: somebody else's, a late or a forged one. */
  | { readonly kind: 'foreign' }
  /** There is more than fits into a datagram. */
  | { readonly kind: 'truncated' }
  /** The server can't tell; another one may. */
  | { readonly kind: 'failed'; readonly reason: string }
  /** The server has answered; there may be no such name or record. */
  | { readonly kind: 'answered'; readonly message: DnsMessage }

/** The records of an answer. */
export interface DnsMessage {
  /** Whether there is such a name, at the end of its aliases; false for NXDOMAIN. */
  readonly nameExists: boolean
  /** Whether the server holds the zone itself, so that what it leaves out is not there. */
  readonly isAuthoritative: boolean
  readonly answers: readonly DnsRecord[]
  readonly authorities: readonly DnsRecord[]
  readonly additionals: readonly DnsRecord[]
}

const headerBytes = 12

/** Largest datagram that passes everywhere without being fragmented. @see https://www.dnsflagday.net/2020/ */
const udpPayloadSize = 1_232

const extension: Answer = {
  type: 'OPT',
  name: '.',
  udpPayloadSize,
  extendedRcode: 0,
  ednsVersion: 0,
  flags: 0,
  flag_do: false,
  options: [],
}

const failures = new Map<number, string>([
  [1, 'FORMERR'],
  [2, 'SERVFAIL'],
  [4, 'NOTIMP'],
  [5, 'REFUSED'],
])

/** Encodes a question. @param id random, 16 bits @param extended whether larger datagrams are offered, which very old servers refuse */
export function encodeQuery({ name, type }: DnsQuestion, id: number, extended: boolean = true): DnsQuery {
  const question: Packet = { type: 'query', id, flags: RECURSION_DESIRED, questions: [{ name, type, class: 'IN' }] }
  const plain = encode(question)
  return { id, packet: extended ? encode({ ...question, additionals: [extension] }) : plain, echo: readEcho(plain, plain.length) }
}

/**
 * Reads what came in. The header and the question are compared byte by byte before anything is decoded, so that a stray packet costs nothing.
 * Never throws.
 */
export function readReply(packet: Buffer, { id, echo }: DnsQuery): DnsReply {
  if (packet.length < headerBytes || packet.readUInt16BE(0) !== id) return { kind: 'foreign' }
  const flags = packet.readUInt16BE(2)
  const isAnswer = flags >> 15 === 1 && ((flags >> 11) & 15) === 0
  const code = flags & 15
  const reason = code === 0 || code === 3 ? undefined : (failures.get(code) ?? `RCODE ${code}`)
  const questions = packet.readUInt16BE(4)
  // A server that did not understand the question need not repeat it.
  const isEcho = questions === 1 ? readEcho(packet, echo.length) === echo : questions === 0 && reason !== undefined
  if (!isAnswer || !isEcho) return { kind: 'foreign' }
  if (reason) return { kind: 'failed', reason }
  if ((flags >> 9) & 1) return { kind: 'truncated' }
  return decodeReply(packet, code !== 3)
}

function readEcho(packet: Buffer, length: number): string {
  return packet.toString('latin1', headerBytes, headerBytes + length).toLowerCase()
}

function decodeReply(packet: Buffer, nameExists: boolean): DnsReply {
  let message: DecodedPacket
  try {
    message = decode(packet)
  } catch {
    return { kind: 'failed', reason: 'an answer that can not be read' }
  }
  const { answers = [], authorities = [], additionals = [] } = message
  // The upper bits of the result are in here, where the header has 0.
  const isExtendedError = additionals.some((record) => record.type === 'OPT' && record.extendedRcode !== 0)
  if (isExtendedError) return { kind: 'failed', reason: 'an extended error' }
  return { kind: 'answered', message: { nameExists, isAuthoritative: message.flag_aa, answers, authorities, additionals } }
}
