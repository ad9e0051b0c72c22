/** Possible values of a record. */
export type MmdbValue = number | string | readonly string[] | { readonly [key: string]: MmdbValue }

/** One network and its record. */
export interface MmdbNetwork {
  /** The first bits of the addresses, such as `00001010` for 10.0.0.0/8. */
  readonly bits: string
  /** The record of these addresses. */
  readonly record: MmdbValue
}

/**
 * Encodes a small database, with records of 24 bits in its tree.
 *
 * @see https://maxmind.github.io/MaxMind-DB/
 */
export function writeMmdb(ipVersion: 4 | 6, networks: readonly MmdbNetwork[]): Buffer {
  /** Each node has a left and a right side: the number of a node, a network, or nothing. */
  const nodes: [number | MmdbNetwork | undefined, number | MmdbNetwork | undefined][] = [[undefined, undefined]]
  for (const network of networks) {
    let node = 0
    for (const [depth, bit] of [...network.bits].entries()) {
      const sides = nodes[node] as (typeof nodes)[number]
      const side = bit === '1' ? 1 : 0
      if (depth === network.bits.length - 1) sides[side] = network
      else if (typeof sides[side] !== 'number') sides[side] = nodes.push([undefined, undefined]) - 1
      node = sides[side] as number
    }
  }
  const offsets = new Map<MmdbNetwork, number>()
  let data = Buffer.alloc(0)
  for (const network of networks) {
    offsets.set(network, data.length)
    data = Buffer.concat([data, encode(network.record)])
  }
  const tree = Buffer.alloc(nodes.length * 6)
  for (const [index, side] of nodes.flat().entries()) {
    const target = typeof side === 'object' ? nodes.length + 16 + (offsets.get(side) ?? 0) : (side ?? nodes.length)
    tree.writeUIntBE(target, index * 3, 3)
  }
  const metadata = encode({
    binary_format_major_version: 2,
    binary_format_minor_version: 0,
    build_epoch: 1_700_000_000,
    database_type: 'Test-City',
    description: { en: 'test' },
    ip_version: ipVersion,
    languages: ['en'],
    node_count: nodes.length,
    record_size: 24,
  })
  return Buffer.concat([tree, Buffer.alloc(16), data, Buffer.from('\xab\xcd\xefMaxMind.com', 'latin1'), metadata])
}

function encode(value: MmdbValue): Buffer {
  if (typeof value === 'string') return Buffer.concat([Buffer.from([(2 << 5) | value.length]), Buffer.from(value)])
  if (typeof value === 'number') return Number.isInteger(value) ? encodeUint32(value) : encodeDouble(value)
  if (Array.isArray(value)) return Buffer.concat([Buffer.from([value.length, 4]), ...value.map((one) => encode(one as string))])
  const entries = Object.entries(value)
  return Buffer.concat([Buffer.from([(7 << 5) | entries.length]), ...entries.flatMap(([key, one]) => [encode(key), encode(one)])])
}

function encodeUint32(value: number): Buffer {
  const bytes = Buffer.alloc(5, (6 << 5) | 4)
  bytes.writeUInt32BE(value, 1)
  return bytes
}

function encodeDouble(value: number): Buffer {
  const bytes = Buffer.alloc(9, (3 << 5) | 8)
  bytes.writeDoubleBE(value, 1)
  return bytes
}
