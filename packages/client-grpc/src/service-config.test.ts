import { expect, test } from 'vitest'
import { createMethodFinder, readServiceConfig } from './service-config.ts'

const config = {
  methodConfig: [
    { name: [{}], timeout: '1s' },
    { name: [{ service: 'shop.Orders' }], timeout: { seconds: 2, nanos: 0 } },
    {
      name: [
        { service: 'shop.Orders', method: 'Get' },
        { service: 'shop.Stock', method: '' },
      ],
      timeout: '0.25s',
    },
    { name: [{ service: 'shop.Mail' }], retryPolicy: { maxAttempts: 2 } },
  ],
  retryThrottling: { maxTokens: 10, tokenRatio: 0.1 },
}

test('a method has its own config, otherwise that of its service, otherwise that of all methods', () => {
  const find = createMethodFinder(readServiceConfig(JSON.stringify(config)), 0)
  expect(find('/shop.Orders/Get').timeout).toEqual({ seconds: 0, nanos: 250_000_000 })
  expect(find('/shop.Orders/Put').timeout).toEqual({ seconds: 2, nanos: 0 })
  expect(find('/shop.Stock/Get').timeout).toEqual({ seconds: 0, nanos: 250_000_000 })
  expect(find('/shop.Other/Get').timeout).toEqual({ seconds: 1, nanos: 0 })
  expect(find('/shop.Mail/Send').timeout).toBeUndefined()
})

test('the time limit of a service applies to methods without one', () => {
  const find = createMethodFinder(readServiceConfig(JSON.stringify(config)), 1_500)
  expect(find('/shop.Mail/Send')).toMatchObject({ timeout: { seconds: 1, nanos: 500_000_000 }, retryPolicy: { maxAttempts: 2 } })
  expect(find('/shop.Orders/Put').timeout).toEqual({ seconds: 2, nanos: 0 })
  expect(createMethodFinder(readServiceConfig(undefined), 20)('/a/b').timeout).toEqual({ seconds: 0, nanos: 20_000_000 })
})

test('other parts of the config are kept', () => {
  expect(readServiceConfig(JSON.stringify(config))).toMatchObject({ retryThrottling: config.retryThrottling })
})
