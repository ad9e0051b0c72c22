import { describe, expect, test } from 'vitest'
import { readProxyHeader } from './proxy-header.ts'

const signature = [0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a]

/** A header of version 2. `size` is what its length field says. */
function binary(command: number, family: number, body: readonly number[], size: number = body.length): Buffer {
  return Buffer.from([...signature, command, family, size >> 8, size & 255, ...body])
}

const ipv4 = [192, 0, 2, 1, 10, 0, 0, 1, 0xdd, 0xd5, 0x01, 0xbb]
const ipv6 = [
  ...[0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01],
  ...[0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x02],
  ...[0xdd, 0xd5, 0x01, 0xbb],
]
const mapped = [...Array(10).fill(0), 0xff, 0xff, 192, 0, 2, 1, ...Array(10).fill(0), 0xff, 0xff, 10, 0, 0, 1, 0xdd, 0xd5, 1, 187]
const client4 = { address: '192.0.2.1', port: 56_789 }
const client6 = { address: '2001:db8::1', port: 56_789 }
const longestLine = `PROXY TCP6 ${'ffff:'.repeat(7)}ffff ${'ffff:'.repeat(7)}ffff 65535 65535\r\n`

describe.each([
  ['TCP4', Buffer.from('PROXY TCP4 192.0.2.1 10.0.0.1 56789 443\r\n'), client4],
  ['TCP6', Buffer.from('PROXY TCP6 2001:DB8:0::1 2001:db8::2 56789 443\r\n'), client6],
  ['the longest TCP6', Buffer.from(longestLine), { address: 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff', port: 65_535 }],
  ['UNKNOWN', Buffer.from('PROXY UNKNOWN\r\n'), undefined],
  ['UNKNOWN with addresses', Buffer.from('PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n'), undefined],
  ['binary IPv4', binary(0x21, 0x11, ipv4), client4],
  ['binary IPv6', binary(0x21, 0x21, ipv6), client6],
  ['binary mapped IPv4', binary(0x21, 0x21, mapped), client4],
  ['binary IPv4 with a checksum and another TLV', binary(0x21, 0x11, [...ipv4, 3, 0, 4, 1, 2, 3, 4, 4, 0, 1, 0]), client4],
  ['LOCAL', binary(0x20, 0x00, []), undefined],
  ['LOCAL with addresses', binary(0x20, 0x11, ipv4), undefined],
  ['UNSPEC', binary(0x21, 0x00, []), undefined],
  ['UNIX', binary(0x21, 0x31, Array(216).fill(65)), undefined],
  ['UDP over IPv4', binary(0x21, 0x12, ipv4), undefined],
])('a header of type %s', (_, bytes, source) => {
  test('is read, and the bytes behind it are left', () => {
    const header = readProxyHeader(Buffer.concat([bytes, Buffer.from('GET / HTTP/1.1')]))
    expect(header).toEqual({ kind: 'complete', length: bytes.length, ...(source && { source }) })
  })

  test('is incomplete with each byte less', () => {
    for (let length = 0; length < bytes.length; length++) {
      expect(readProxyHeader(bytes.subarray(0, length)), `${length} bytes`).toEqual({ kind: 'incomplete' })
    }
  })
})

test('the longest line is the one of 107 bytes that the specification has', () => {
  const unknown = longestLine.replace('TCP6', 'UNKNOWN')
  expect(readProxyHeader(Buffer.from(unknown))).toEqual({ kind: 'complete', length: 107 })
  expect(readProxyHeader(Buffer.from(unknown.replace('\r\n', ' \r\n')))).toMatchObject({ kind: 'invalid' })
})

test.each([
  ['a request', 'GET / HTTP/1.1\r\n'],
  ['a TLS handshake', '\x16\x03\x01\x02\x00'],
  ['another word', 'PROXYTCP4 '],
  ['lower case', 'proxy TCP4 192.0.2.1 10.0.0.1 56789 443\r\n'],
  ['no protocol', 'PROXY \r\n'],
  ['another protocol', 'PROXY UDP4 192.0.2.1 10.0.0.1 56789 443\r\n'],
  ['IPv6 in TCP4', 'PROXY TCP4 2001:db8::1 10.0.0.1 56789 443\r\n'],
  ['IPv4 in TCP6', 'PROXY TCP6 192.0.2.1 2001:db8::2 56789 443\r\n'],
  ['an address that is not valid', 'PROXY TCP4 192.0.2.256 10.0.0.1 56789 443\r\n'],
  ['an address with a port', 'PROXY TCP4 192.0.2.1:1 10.0.0.1 56789 443\r\n'],
  ['a destination that is not valid', 'PROXY TCP4 192.0.2.1 10.0.0 56789 443\r\n'],
  ['a port that is too high', 'PROXY TCP4 192.0.2.1 10.0.0.1 65536 443\r\n'],
  ['a port with a leading zero', 'PROXY TCP4 192.0.2.1 10.0.0.1 056789 443\r\n'],
  ['a port that is not a number', 'PROXY TCP4 192.0.2.1 10.0.0.1 -1 443\r\n'],
  ['two spaces', 'PROXY TCP4  192.0.2.1 10.0.0.1 56789 443\r\n'],
  ['one part too many', 'PROXY TCP4 192.0.2.1 10.0.0.1 56789 443 1\r\n'],
  ['a line feed alone', `PROXY TCP4 192.0.2.1 10.0.0.1 56789 443\n${'x'.repeat(107)}`],
  ['a line without end', `PROXY UNKNOWN ${'x'.repeat(107)}`],
  ['half of a signature', '\r\n\r\n\0\r\nQUIX'],
  ['version 1 in binary', binary(0x11, 0x11, ipv4).toString('latin1')],
  ['an unknown command', binary(0x22, 0x11, ipv4).toString('latin1')],
  ['addresses that are too short', binary(0x21, 0x11, ipv4.slice(1)).toString('latin1')],
  ['a header that is too long', binary(0x21, 0x11, [], 65_535).toString('latin1')],
])('%s is not a header', (_, text) => {
  expect(readProxyHeader(Buffer.from(text, 'latin1'))).toMatchObject({ kind: 'invalid' })
})
