import type { FramingField } from './http1-reader.ts'

/** Static table of RFC 7541, appendix A. Entry 1 is the first. */
const staticTable: readonly FramingField[] = [
  ...[':authority', ':method GET', ':method POST', ':path /', ':path /index.html', ':scheme http', ':scheme https'],
  ...[':status 200', ':status 204', ':status 206', ':status 304', ':status 400', ':status 404', ':status 500'],
  ...['accept-charset', 'accept-encoding gzip, deflate', 'accept-language', 'accept-ranges', 'accept'],
  ...['access-control-allow-origin', 'age', 'allow', 'authorization', 'cache-control', 'content-disposition'],
  ...['content-encoding', 'content-language', 'content-length', 'content-location', 'content-range', 'content-type'],
  ...['cookie', 'date', 'etag', 'expect', 'expires', 'from', 'host', 'if-match', 'if-modified-since', 'if-none-match'],
  ...['if-range', 'if-unmodified-since', 'last-modified', 'link', 'location', 'max-forwards', 'proxy-authenticate'],
  ...['proxy-authorization', 'range', 'referer', 'refresh', 'retry-after', 'server', 'set-cookie'],
  ...['strict-transport-security', 'transfer-encoding', 'user-agent', 'vary', 'via', 'www-authenticate'],
].map((entry) => {
  const [name = '', ...value] = entry.split(' ')
  return [name, value.join(' ')]
})

/**
 * Lengths in bits of the codes of RFC 7541, appendix B: one digit of base 36 for each of the 256 octets, and one for EOS. The code is canonical, so
 * its lengths define it.
 */
const codeLengths = [
  'dnsssssssoussussssssssusssssssss6aacd68baa8b8666555666666678f6ca',
  'd67777777777777777777777878djde6f56565666577666567655677777fbeds',
  'kmkkmmmnmnnnnnonoomnonnnnlmnmnnomlkmmnnlnmmolmnnllmlnmnnkmmmnmmn',
  'qqkjmnmpqqqrrqopjlqrrqrollqqsrrrkoklmllnmmppooqnqrqqrrrrrsrrrrrqu',
].join('')

/** Octets by length and code, as `length:code`. */
const octets = makeCode()

function makeCode(): ReadonlyMap<string, number> {
  const lengths = [...codeLengths].map((digit, octet) => ({ octet, length: Number.parseInt(digit, 36) }))
  const made = new Map<string, number>()
  let code = 0
  let previous = 0
  for (const { octet, length } of lengths.toSorted((a, b) => a.length - b.length || a.octet - b.octet)) {
    code *= 2 ** (length - previous)
    previous = length
    made.set(`${length}:${code}`, octet)
    code += 1
  }
  return made
}

function decodeHuffman(bytes: Uint8Array): string {
  let text = ''
  let code = 0
  let length = 0
  for (const byte of bytes) {
    for (let bit = 7; bit >= 0; bit--) {
      code = code * 2 + ((byte >> bit) & 1)
      length += 1
      const octet = octets.get(`${length}:${code}`)
      if (octet === undefined) continue
      text += String.fromCharCode(octet)
      code = 0
      length = 0
    }
  }
  return text
}

/** Writes fields as literals without indexing and without Huffman coding, whatever octets they have. Texts are latin1. */
export function encodeFields(fields: readonly FramingField[]): Buffer {
  return Buffer.concat(fields.flatMap(([name, value]) => [Buffer.of(0), literal(name), literal(value)]))
}

function literal(text: string): Buffer {
  return Buffer.concat([integer(text.length, 7), Buffer.from(text, 'latin1')])
}

function integer(value: number, bits: number): Buffer {
  const most = 2 ** bits - 1
  if (value < most) return Buffer.of(value)
  const bytes = [most]
  let rest = value - most
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128)
  return Buffer.from([...bytes, rest])
}

/**
 * Reads a field block of a peer that has no dynamic table, because our SETTINGS_HEADER_TABLE_SIZE is 0.
 *
 * @throws Error for a block that is not valid
 */
export function decodeFields(block: Uint8Array): readonly FramingField[] {
  const fields: FramingField[] = []
  let at = 0
  function readInteger(bits: number): number {
    const most = 2 ** bits - 1
    let value = byteAt(block, at++) & most
    if (value < most) return value
    for (let shift = 1; ; shift *= 128) {
      const byte = byteAt(block, at++)
      value += (byte & 127) * shift
      if (byte < 128) return value
    }
  }
  function readText(): string {
    const isHuffman = byteAt(block, at) >= 128
    const length = readInteger(7)
    const bytes = block.subarray(at, at + length)
    at += length
    return isHuffman ? decodeHuffman(bytes) : Buffer.from(bytes).toString('latin1')
  }
  while (at < block.length) {
    const first = byteAt(block, at)
    if (first >= 128) fields.push(entryAt(readInteger(7)))
    else if (first >= 32 && first < 64) readInteger(5)
    else {
      const index = readInteger(first >= 64 ? 6 : 4)
      const name = index === 0 ? readText() : entryAt(index)[0]
      fields.push([name, readText()])
    }
  }
  return fields
}

function byteAt(bytes: Uint8Array, at: number): number {
  const byte = bytes[at]
  if (byte === undefined) throw new Error('a field block ends too early')
  return byte
}

function entryAt(index: number): FramingField {
  const entry = staticTable[index - 1]
  if (!entry) throw new Error(`a field block names entry ${index}, which does not exist`)
  return entry
}
