import fc from 'fast-check'
import { expect, test } from 'vitest'
import { forwardedAddress } from '../call/forwarded-address.ts'
import { createServiceInstance } from './instance.ts'
import { readIpAddress, readIpNetwork } from './ip-address.ts'

test.each([
  ['192.0.2.1', '192.0.2.1'],
  [' 192.0.2.1:51824 ', '192.0.2.1'],
  ['2001:DB8:0:0::1', '2001:db8::1'],
  ['[2001:db8::1]:443', '2001:db8::1'],
  ['"[2001:db8::1]:443"', '2001:db8::1'],
  ['[::1]', '::1'],
  ['::ffff:192.0.2.1', '192.0.2.1'],
  ['[::FFFF:192.0.2.1]:80', '192.0.2.1'],
  ['::ffff:c000:0201', '192.0.2.1'],
  ['fe80::1%eth0', 'fe80::1'],
  ['::', '::'],
  ...[
    '',
    ' ',
    'unknown',
    '_hidden',
    '192.0.2',
    '192.0.2.256',
    '010.0.0.1',
    '1.2.3.4:',
    '1.2.3.4:x',
    '[::1',
    '[]',
    ':',
    '::1::2',
    'g::1',
  ].map((text): [string, undefined] => [text, undefined]),
])('%j is read as %j', (text, expected) => {
  expect(readIpAddress(text)).toBe(expected)
})

test('reading a result again does not change it, and never throws', () => {
  fc.assert(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV6(), fc.string()), (text) => {
      const read = readIpAddress(text)
      if (read !== undefined) expect(readIpAddress(read)).toBe(read)
    }),
  )
})

test('a port added by a proxy does not make another client, and an empty entry is not a client', () => {
  const client = forwardedAddress()
  expect(client({ headers: { 'x-forwarded-for': '6.6.6.6, 192.0.2.1:51824' } })).toBe('192.0.2.1')
  expect(client({ headers: { 'x-forwarded-for': '192.0.2.1,' } })).toBeUndefined()
})

test.each(['010.0.0.1', '1', '0x7f.1', '2130706433', '1.2.3', '1.2.3.4.', '10.0.0.256'])(
  'an instance at %s is rejected: resolvers read it as an address in another notation',
  (address) => {
    expect(() => createServiceInstance({ service: 'orders', address, port: 80 })).toThrow('Invalid address')
  },
)

test.each([
  ['192.0.2.1', '192.0.2.1'],
  ['::ffff:192.0.2.1', '192.0.2.1'],
  ['::FFFF:c000:201', '192.0.2.1'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:db8:1:2::9', '2001:db8:1:2::/64'],
  ['2001:db8::9', '2001:db8::/64'],
  ['2001:0DB8:0:0:ffff::', '2001:db8::/64'],
  ['1:2:3:4:5:6:7::', '1:2:3:4::/64'],
  ['1::2:3:4:5:6', '1:0:0:2::/64'],
  ['::1', '::/64'],
  ['::', '::/64'],
  ['fe80::1%eth0', 'fe80::/64'],
  ['unknown', undefined],
])('the network of %s is %s', (text, expected) => {
  expect(readIpNetwork(text)).toBe(expected)
})

test('all addresses of a /64 have one network, in any spelling, and other addresses have another one', () => {
  const group = fc.integer({ min: 0, max: 0xffff })
  const four = fc.tuple(group, group, group, group)
  const write = (groups: readonly number[]): string => groups.map((one) => one.toString(16).padStart(4, '0')).join(':')
  fc.assert(
    fc.property(four, four, four, (network, one, other) => {
      const first = readIpNetwork(write([...network, ...one]))
      // ::ffff:0:0/96 is IPv4.
      fc.pre(first?.endsWith('/64') === true)
      if (readIpAddress(write([...network, ...other]))?.includes(':'))
        expect(readIpNetwork(write([...network, ...other]))).toBe(first)
      const [high, ...rest] = network
      expect(readIpNetwork(write([(high ^ 0x4000) as number, ...rest, ...one]))).not.toBe(first)
    }),
  )
})

test.each([
  ['::1', ['0:0:0:0:0:0:0:1', '0000::0001', '::0.0.0.1']],
  ['2001:db8::a', ['2001:DB8::A', '2001:db8:0:0::a', '2001:0db8:0000:0000:0000:0000:0000:000a']],
  ['192.0.2.1', ['::ffff:192.0.2.1', '::FFFF:c000:0201']],
])('an instance at %s has one address and id in all spellings', (address, spellings) => {
  for (const spelling of [address, ...spellings]) {
    expect(createServiceInstance({ service: 'orders', address: spelling, port: 80 })).toMatchObject({
      address,
      id: `${address}:80`,
    })
  }
})
