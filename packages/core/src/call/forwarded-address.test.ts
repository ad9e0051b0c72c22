import { expect, test } from 'vitest'
import { forwardedAddress } from './forwarded-address.ts'

test('the address of the client is the last one before the trusted proxies', () => {
  const headers = { 'x-forwarded-for': '6.6.6.6, 203.0.113.7 , 10.0.0.1', 'x-real-ip': '203.0.113.8' }
  expect(forwardedAddress()({ headers })).toBe('10.0.0.1')
  expect(forwardedAddress({ trustedProxies: 1 })({ headers })).toBe('203.0.113.7')
  expect(forwardedAddress({ trustedProxies: 9 })({ headers })).toBeUndefined()
  expect(forwardedAddress({ header: 'X-Real-IP' })({ headers })).toBe('203.0.113.8')
  expect(forwardedAddress()({})).toBeUndefined()
  expect(() => forwardedAddress({ trustedProxies: -1 })).toThrow('Invalid trustedProxies')
  expect(() => forwardedAddress({ header: '' })).toThrow('Invalid header')
  expect(() => forwardedAddress({ proxies: 1 } as never)).toThrow('Invalid proxies: unknown field')
})
