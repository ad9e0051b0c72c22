import { type Answer, type DecodedPacket, decode, encode, type Packet, RECURSION_DESIRED } from 'dns-packet'

/** Record types that are queried. */
export type QueryType = 'A' | 'AAAA' | 'SRV' | 'SOA'

/** A record of a response. */
export type DnsRecord = Answer

/** A question. */
export interface DnsQuestion {
  /** Absolute name, without the trailing dot. */
  readonly name: string
  readonly type: QueryType
}

/** A question in wire format. */
export interface DnsQuery {
  readonly id: number
  readonly packet: Buffer
  /** The question section of the packet, which a response must repeat. */
  readonly echo: string
}

/** Result of reading a packet as a reply to a query. */
export type DnsReply =
  /** The packet is not a reply to this query: it is unrelated, late or forged. */
  | { readonly kind: 'foreign' }
  /** The response does not fit into a datagram. */
  | { readonly kind: 'truncated' }
  /** The server can't resolve the name; another one may. */
  | { readonly kind: 'failed'; readonly reason: string }
  /** The server has responded; the name or record may not exist. */
  | { readonly kind: 'answered'; readonly message: DnsMessage }

/** The records of a response. */
export interface DnsMessage {
  /** Whether the name exists, at the end of its aliases; false for NXDOMAIN. */
  readonly nameExists: boolean
  /** Whether the server is authoritative, so that records that it does not return do not exist. */
  readonly isAuthoritative: boolean
  readonly answers: readonly DnsRecord[]
  readonly authorities: readonly DnsRecord[]
  readonly additionals: readonly DnsRecord[]
}

const headerBytes = 12

/** Largest datagram that is not fragmented on common networks. @see https://www.dnsflagday.net/2020/ */
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

/**
 * Encodes a question. @param id random, 16 bits @param extended whether to offer larger datagrams (EDNS), which very
 * old servers refuse
 */
export function encodeQuery({ name, type }: DnsQuestion, id: number, extended: boolean = true): DnsQuery {
  const question: Packet = { type: 'query', id, flags: RECURSION_DESIRED, questions: [{ name, type, class: 'IN' }] }
  const plain = encode(question)
  return { id, packet: extended ? encode({ ...question, additionals: [extension] }) : plain, echo: readEcho(plain, plain.length) }
}

/**
 * Reads a packet. Compares the header and the question byte by byte before it decodes anything, so that unrelated
 * packets are cheap. Never throws.
 */
export function readReply(packet: Buffer, { id, echo }: DnsQuery): DnsReply {
  if (packet.length < headerBytes || packet.readUInt16BE(0) !== id) return { kind: 'foreign' }
  const flags = packet.readUInt16BE(2)
  const isAnswer = flags >> 15 === 1 && ((flags >> 11) & 15) === 0
  const code = flags & 15
  const reason = code === 0 || code === 3 ? undefined : (failures.get(code) ?? `RCODE ${code}`)
  const questions = packet.readUInt16BE(4)
  // A server that did not understand the question may omit it.
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
    return { kind: 'failed', reason: 'a malformed response' }
  }
  const { answers = [], authorities = [], additionals = [] } = message
  // This record has the upper bits of the result code; the header has 0.
  const isExtendedError = additionals.some((record) => record.type === 'OPT' && record.extendedRcode !== 0)
  if (isExtendedError) return { kind: 'failed', reason: 'an extended error' }
  return { kind: 'answered', message: { nameExists, isAuthoritative: message.flag_aa, answers, authorities, additionals } }
}
