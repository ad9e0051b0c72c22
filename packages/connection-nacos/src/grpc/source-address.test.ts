import { expect, test } from 'vitest'
import { sourceAddress } from './source-address.ts'

test('is the one that the route to the server has', async () => {
  expect(await sourceAddress({ host: '127.0.0.1', port: 9_848 })).toBe('127.0.0.1')
  expect(await sourceAddress({ host: 'localhost', port: 9_848 })).toMatch(/^(127\.0\.0\.1|::1)$/)
})

test('is unknown if the name of the server is', async () => {
  expect(await sourceAddress({ host: 'nacos.invalid', port: 9_848 })).toBeUndefined()
})
