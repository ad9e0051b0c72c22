/** What the first bytes of a connection say about TLS. */
export type FirstBytes =
  | { readonly kind: 'incomplete' }
  /** Not the beginning of a TLS connection. */
  | { readonly kind: 'other' }
  | { readonly kind: 'hello'; readonly serverName: string | undefined }

const incomplete: FirstBytes = { kind: 'incomplete' }
const other: FirstBytes = { kind: 'other' }

const handshakeRecord = 22
const clientHello = 1
const serverNameExtension = 0

/**
 * Reads the server name of a ClientHello (RFC 8446, 4.1.2; RFC 6066, 3), which may be split over records and packets. Nothing is
 * decrypted, and nothing else is checked: the service does that.
 */
export function readClientHello(bytes: Buffer): FirstBytes {
  const message = readHandshake(bytes)
  if ('kind' in message) return message
  try {
    return { kind: 'hello', serverName: readServerName(message) }
  } catch (error) {
    // A length that points behind the message.
    if (error instanceof RangeError) return other
    throw error
  }
}

/** The first message of the handshake, without its head. */
function readHandshake(bytes: Buffer): Buffer | FirstBytes {
  const parts: Buffer[] = []
  let length = 0
  for (let start = 0; start < bytes.length; ) {
    if (bytes[start] !== handshakeRecord || (bytes[start + 1] ?? 3) !== 3) return other
    if (bytes.length < start + 5) return incomplete
    const size = bytes.readUInt16BE(start + 3)
    if (size === 0 || size > 16_384) return other
    const part = bytes.subarray(start + 5, start + 5 + size)
    parts.push(part)
    length += part.length
    start += 5 + size
    const message = Buffer.concat(parts, length)
    if (message.length > 0 && message[0] !== clientHello) return other
    if (message.length < 4) continue
    const end = 4 + message.readUIntBE(1, 3)
    if (message.length >= end) return message.subarray(4, end)
  }
  return incomplete
}

/** @throws RangeError if the message is not well formed */
function readServerName(message: Buffer): string | undefined {
  // Version and random.
  let at = 34
  at += 1 + message.readUInt8(at)
  at += 2 + message.readUInt16BE(at)
  at += 1 + message.readUInt8(at)
  if (at === message.length) return undefined
  const end = at + 2 + message.readUInt16BE(at)
  at += 2
  while (at < end) {
    const type = message.readUInt16BE(at)
    const size = message.readUInt16BE(at + 2)
    at += 4
    if (type === serverNameExtension && size >= 5 && message.readUInt8(at + 2) === 0) {
      const length = message.readUInt16BE(at + 3)
      return message.toString('latin1', at + 5, at + 5 + length).toLowerCase()
    }
    at += size
  }
  return undefined
}
