import { expect, test } from 'vitest'
import { writeProxyHeader } from './proxy-header.ts'

const ports = { remotePort: 256, localPort: 443 }

test.each([
  ['2001:db8::1', '::', 'PROXY TCP6 2001:db8::1 :: 256 443\r\n', `20010db8${'0'.repeat(23)}1${'0'.repeat(32)}`],
  ['10.0.0.1', '::1', 'PROXY TCP6 ::ffff:10.0.0.1 ::1 256 443\r\n', `${'0'.repeat(20)}ffff0a000001${'0'.repeat(31)}1`],
  [
    '1:2:3:4:5:6:7:8',
    'fe80::1%eth0',
    'PROXY TCP6 1:2:3:4:5:6:7:8 fe80::1 256 443\r\n',
    `00010002000300040005000600070008fe80${'0'.repeat(27)}1`,
  ],
])('addresses %s and %s are written in both versions', (remoteAddress, localAddress, text, hex) => {
  expect(writeProxyHeader('v1', { remoteAddress, localAddress, ...ports }).toString()).toBe(text)
  expect(writeProxyHeader('v2', { remoteAddress, localAddress, ...ports }).toString('hex')).toBe(
    `0d0a0d0a000d0a515549540a21210024${hex}010001bb`,
  )
})

test('an address that is not known is said to be so', () => {
  const connection = { remoteAddress: '', localAddress: '', ...ports }
  expect(writeProxyHeader('v1', connection).toString()).toBe('PROXY UNKNOWN\r\n')
  expect(writeProxyHeader('v2', connection).toString('hex')).toBe('0d0a0d0a000d0a515549540a20000000')
})
