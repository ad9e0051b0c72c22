import { isIPv4, isIPv6 } from 'node:net'
import { readIpAddress } from '@sd/core'

/** Address that a PROXY header gives for a connection. */
export interface ProxiedSource {
  readonly address: string
  readonly port: number
}

/** What the first bytes of a connection say, by the PROXY protocol of HAProxy, versions 1 and 2. */
export type ProxyHeader =
  /** The header is not complete. */
  | { readonly kind: 'incomplete' }
  /** Not a header. */
  | { readonly kind: 'invalid'; readonly detail: string }
  /** A header. `source` is absent if the proxy speaks for itself, or does not know the client. */
  | { readonly kind: 'complete'; readonly length: number; readonly source?: ProxiedSource }

const signature = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1')
/** "PROXY " and two addresses in full, with ports, and the line break: section 2.1 of the specification. */
const maxTextLength = 107
const binaryHeadLength = 16
/** Bytes of addresses and TLVs that are accepted. Proxies send some hundred; with a client certificate in a TLV about 2,000. */
const maxBinaryLength = 4_096
const incomplete: ProxyHeader = { kind: 'incomplete' }

/** Reads a PROXY header from the first bytes of a connection, which may be any part of it. */
export function readProxyHeader(bytes: Buffer): ProxyHeader {
  const first = bytes[0]
  if (first === undefined) return incomplete
  return first === signature[0] ? readBinary(bytes) : readText(bytes)
}

function readText(bytes: Buffer): ProxyHeader {
  const start = bytes.toString('latin1', 0, Math.min(bytes.length, maxTextLength))
  if (!start.startsWith('PROXY '.slice(0, start.length))) return invalid('no PROXY header')
  const end = start.indexOf('\r\n')
  if (end < 0) return start.length < maxTextLength ? incomplete : invalid('a line that is longer than 107 bytes')
  const length = end + 2
  const [, protocol = '', ...parts] = start.slice(0, end).split(' ')
  // The rest of an UNKNOWN line is ignored.
  if (protocol === 'UNKNOWN') return { kind: 'complete', length }
  const [from = '', to = '', fromPort = '', toPort = ''] = parts
  const source = readSource(from, fromPort)
  const isFamily = protocol === 'TCP4' ? isIPv4(from) && isIPv4(to) : protocol === 'TCP6' && isIPv6(from) && isIPv6(to)
  if (parts.length !== 4 || !isFamily || !source || !readSource(to, toPort)) return invalid('a line that is not valid')
  return { kind: 'complete', length, source }
}

function readBinary(bytes: Buffer): ProxyHeader {
  const known = Math.min(bytes.length, signature.length)
  if (bytes.compare(signature, 0, known, 0, known) !== 0) return invalid('no PROXY header')
  if (bytes.length < binaryHeadLength) return incomplete
  const [versionAndCommand = 0, familyAndProtocol = 0] = bytes.subarray(signature.length)
  const size = bytes.readUInt16BE(14)
  if (versionAndCommand >> 4 !== 2) return invalid('a version that is not 2')
  const command = versionAndCommand & 15
  if (command > 1) return invalid('an unknown command')
  if (size > maxBinaryLength) return invalid(`a header that is longer than ${maxBinaryLength} bytes`)
  const length = binaryHeadLength + size
  const addressBytes = familyAndProtocol === 0x11 ? 4 : familyAndProtocol === 0x21 ? 16 : undefined
  // LOCAL: a connection of the proxy itself, such as a health check. Other families have no IP address; both are skipped.
  if (command === 1 && addressBytes !== undefined && size < 2 * addressBytes + 4) return invalid('addresses that are too short')
  if (bytes.length < length) return incomplete
  if (command === 0 || addressBytes === undefined) return { kind: 'complete', length }
  const body = bytes.subarray(binaryHeadLength, length)
  // Type-length-value fields may follow; they are skipped, with the checksum among them.
  const port = body.readUInt16BE(2 * addressBytes)
  return { kind: 'complete', length, source: { address: toAddress(body.subarray(0, addressBytes)), port } }
}

function toAddress(bytes: Buffer): string {
  if (bytes.length === 4) return bytes.join('.')
  const groups = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(2 * index).toString(16))
  return readIpAddress(groups.join(':')) as string
}

function readSource(text: string, port: string): ProxiedSource | undefined {
  const address = readIpAddress(text)
  if (address === undefined || !/^(?:0|[1-9]\d{0,4})$/.test(port) || Number(port) > 65_535) return undefined
  return { address, port: Number(port) }
}

function invalid(detail: string): ProxyHeader {
  return { kind: 'invalid', detail }
}
