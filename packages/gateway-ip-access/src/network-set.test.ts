import { BlockList } from 'node:net'
import { readIpAddress } from '@sd/core'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { NetworkSet } from './network-set.ts'

// Few different bits, so that addresses are often in networks.
const byte = fc.constantFrom(0, 1, 127, 128, 254, 255)
const group = fc.constantFrom('0', '1', '7fff', '8000', 'ffff')
const ipv4 = fc.tuple(byte, byte, byte, byte).map((bytes) => bytes.join('.'))
const ipv6 = fc.array(group, { minLength: 8, maxLength: 8 }).map((groups) => groups.join(':'))
const familyOf = (address: string): 'ipv4' | 'ipv6' => (address.includes(':') ? 'ipv6' : 'ipv4')

const network = fc.oneof(
  fc.tuple(ipv4, fc.integer({ min: 0, max: 32 })),
  // An IPv4-mapped one would be of the other family.
  fc.tuple(
    ipv6.filter((address) => familyOf(readIpAddress(address) ?? '') === 'ipv6'),
    fc.integer({ min: 0, max: 128 }),
  ),
)

test('addresses are in the same networks as for node:net', () => {
  fc.assert(
    fc.property(fc.array(network, { maxLength: 5 }), fc.oneof(ipv4, ipv6), (networks, text) => {
      const address = readIpAddress(text) as string
      // For a BlockList, ::/0 has IPv4 addresses too. Here it has not.
      const family = familyOf(address)
      const list = new BlockList()
      for (const [start, length] of networks) if (familyOf(start) === family) list.addSubnet(start, length, family)
      const set = new NetworkSet(
        networks.map((parts) => parts.join('/')),
        String,
      )
      expect(set.has(address)).toBe(list.check(address, family))
    }),
    { numRuns: 2_000 },
  )
})
