import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readTrustedNetworks } from '../listener/trusted-networks.ts'
import { readClientOrigin } from './client-origin.ts'
import { type RequestFields, readRequestFields } from './request-fields.ts'

const peer = '10.0.0.9'
const networks = readTrustedNetworks('trustedProxies', ['10.0.0.0/8', 'fd00::/8'])

function readOrigin(rawHeaders: readonly string[], fields: 'x-forwarded' | 'forwarded' = 'x-forwarded') {
  const head = {
    method: 'GET',
    target: '/',
    authority: undefined,
    version: '1.1',
    rawHeaders: ['host', 'a', ...rawHeaders],
  } as const
  return readClientOrigin(readRequestFields(head, { headers: 100, pathLength: 100 }) as RequestFields, peer, { networks, fields })
}

describe('x-forwarded-for', () => {
  test.each([
    ['', '10.0.0.9', '10.0.0.9'],
    ['203.0.113.7', '203.0.113.7', '203.0.113.7, 10.0.0.9'],
    ['203.0.113.7, 10.0.0.1', '203.0.113.7', '203.0.113.7, 10.0.0.1, 10.0.0.9'],
    ['6.6.6.6, 203.0.113.7,10.0.0.1', '203.0.113.7', '203.0.113.7, 10.0.0.1, 10.0.0.9'],
    ['10.0.0.1, 203.0.113.7', '203.0.113.7', '203.0.113.7, 10.0.0.9'],
    ['10.0.0.3, 10.0.0.1', '10.0.0.3', '10.0.0.3, 10.0.0.1, 10.0.0.9'],
    ['unknown, 10.0.0.1', '10.0.0.1', '10.0.0.1, 10.0.0.9'],
    ['203.0.113.7, unknown', '10.0.0.9', '10.0.0.9'],
    ['203.0.113.7, ', '10.0.0.9', '10.0.0.9'],
    [',', '10.0.0.9', '10.0.0.9'],
    ['203.0.113.7:4711', '203.0.113.7', '203.0.113.7, 10.0.0.9'],
    ['[2001:DB8::1]:4711, fd00::1', '2001:db8::1', '2001:db8::1, fd00::1, 10.0.0.9'],
    ['::ffff:203.0.113.7', '203.0.113.7', '203.0.113.7, 10.0.0.9'],
  ])('%j is of the client %s', (value, address, forwardedFor) => {
    expect(readOrigin(['X-Forwarded-For', value])).toMatchObject({ address, forwardedFor })
  })

  test('several fields are one list', () => {
    const { address } = readOrigin(['x-forwarded-for', '6.6.6.6, 203.0.113.7', 'x-forwarded-for', '10.0.0.1'])
    expect(address).toBe('203.0.113.7')
  })

  test('nothing that a client sends changes the address that the first proxy saw', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[\x20-\x7e]*$/), (forged) => {
        const { address, forwardedFor } = readOrigin(['x-forwarded-for', `${forged}, 203.0.113.7, 10.0.0.1`])
        expect([address, forwardedFor]).toEqual(['203.0.113.7', '203.0.113.7, 10.0.0.1, 10.0.0.9'])
      }),
    )
  })

  test.each([
    ['https', 'shop.example.com', 'https', 'shop.example.com'],
    ['HTTPS', 'Shop.Example.com:8443', 'https', 'shop.example.com:8443'],
    ['javascript', 'a/b', undefined, undefined],
    ['http, https', 'a, b', undefined, undefined],
  ])('scheme %j and host %j are checked', (scheme, host, proto, expectedHost) => {
    const origin = readOrigin(['x-forwarded-proto', scheme, 'x-forwarded-host', host])
    expect([origin.proto, origin.host]).toEqual([proto, expectedHost])
  })

  test('the field forwarded does not count', () => {
    expect(readOrigin(['forwarded', 'for=6.6.6.6;proto=https', 'x-forwarded-for', '203.0.113.7'])).toMatchObject({
      address: '203.0.113.7',
      proto: undefined,
    })
  })
})

describe('forwarded', () => {
  test.each([
    ['for=203.0.113.7', '203.0.113.7', undefined, undefined],
    ['For="[2001:db8:cafe::17]:4711"', '2001:db8:cafe::17', undefined, undefined],
    ['for=203.0.113.7;proto=https;host=shop.example.com, for=10.0.0.1;proto=http', '203.0.113.7', 'https', 'shop.example.com'],
    ['for=6.6.6.6;host=evil, for=203.0.113.7;by=10.0.0.1', '203.0.113.7', undefined, undefined],
    ['for="6.6.6.6, for=10.0.0.2", for=203.0.113.7', '203.0.113.7', undefined, undefined],
    ['for="\\2\\03.0.113.7"', '203.0.113.7', undefined, undefined],
    [', ,for=203.0.113.7 ; proto=https', '203.0.113.7', 'https', undefined],
    ['for=_hidden, for=10.0.0.1', '10.0.0.1', undefined, undefined],
    ['proto=https', '10.0.0.9', undefined, undefined],
    ['for="203.0.113.7', '10.0.0.9', undefined, undefined],
    ['for=203.0.113.7 for=10.0.0.1', '10.0.0.9', undefined, undefined],
    ['', '10.0.0.9', undefined, undefined],
  ])('%j is of the client %s', (value, address, proto, host) => {
    expect(readOrigin(['Forwarded', value, 'x-forwarded-for', '6.6.6.6'], 'forwarded')).toMatchObject({ address, proto, host })
  })

  test('an open quote of a client hides no hop: the whole value counts for nothing', () => {
    expect(readOrigin(['forwarded', 'for="6.6.6.6', 'forwarded', 'for=203.0.113.7'], 'forwarded').address).toBe(peer)
  })
})
