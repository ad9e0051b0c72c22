import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createServiceInstance, forwardedAddress, readIpAddress } from './index.ts'

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

test('reading is its own fixed point, and never throws', () => {
  fc.assert(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV6(), fc.string()), (text) => {
      const read = readIpAddress(text)
      if (read !== undefined) expect(readIpAddress(read)).toBe(read)
    }),
  )
})

test('a port that a proxy adds makes no other client, and an empty place in the list is none', () => {
  const client = forwardedAddress()
  expect(client({ headers: { 'x-forwarded-for': '6.6.6.6, 192.0.2.1:51824' } })).toBe('192.0.2.1')
  expect(client({ headers: { 'x-forwarded-for': '192.0.2.1,' } })).toBeUndefined()
})

test.each(['010.0.0.1', '1', '0x7f.1', '2130706433', '1.2.3', '1.2.3.4.', '10.0.0.256'])(
  'an instance at %s is refused: resolvers take it for an address of another notation',
  (address) => {
    expect(() => createServiceInstance({ service: 'orders', address, port: 80 })).toThrow('Invalid address')
  },
)
