import { expect, test } from 'vitest'
import { readTrustedNetworks } from './trusted-networks.ts'

test.each([
  [['10.0.0.0/8'], '10.255.0.1', true],
  [['10.0.0.0/8'], '11.0.0.1', false],
  [['192.0.2.1'], '192.0.2.1', true],
  [['192.0.2.1'], '192.0.2.2', false],
  [['0.0.0.0/0'], '203.0.113.9', true],
  [['0.0.0.0/0'], '2001:db8::1', false],
  [['2001:db8::/32'], '2001:db8:ffff::1', true],
  [['2001:db8::/32'], '2001:db9::1', false],
  [['2001:DB8:0:0::1'], '2001:db8::1', true],
  [['::ffff:10.0.0.0/104'], '10.1.2.3', true],
  [['::ffff:10.0.0.0/104'], '11.1.2.3', false],
  [['::/0'], '2001:db8::1', true],
  [['fd00::/8', '10.0.0.0/8'], 'fd12::1', true],
  [[], '127.0.0.1', false],
])('%j has %s: %s', (networks, address, expected) => {
  expect(readTrustedNetworks('trustedProxies', networks).has(address)).toBe(expected)
})

test.each([
  ['a name', 'proxy.example.com'],
  ['a prefix that is too long', '10.0.0.0/33'],
  ['an IPv6 prefix that is too long', '2001:db8::/129'],
  ['a mapped network wider than IPv4', '::ffff:10.0.0.0/95'],
  ['an address that is not valid', '10.0.0.256'],
  ['an empty text', ''],
  ['an empty prefix', '10.0.0.0/'],
  ['a port', '10.0.0.1:80'],
  ['a number', 10],
])('%s is refused with its path', (_, network) => {
  const read = () => readTrustedNetworks('listeners[0].trustedProxies', ['10.0.0.0/8', network as string])
  expect(read).toThrow('listeners[0].trustedProxies[1]')
})

test('a text is not a list', () => {
  expect(() => readTrustedNetworks('trustedProxies', '10.0.0.0/8' as unknown as string[])).toThrow('trustedProxies')
})
