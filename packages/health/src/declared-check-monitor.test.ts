import { createServer } from 'node:http'
import { createEndpoint, createServiceInstance, type HealthCheckSpec } from '@sd/core'
import { eventually } from '@sd/testing'
import { expect, onTestFinished, test } from 'vitest'
import { createDeclaredCheckMonitor } from './index.ts'
import { createTestCluster } from './testing/clusters.ts'
import { listen } from './testing/targets.ts'

test('each endpoint is checked as it declares, and from the start when the declaration changes', async () => {
  const paths: (string | undefined)[] = []
  const { address, port } = await listen(
    createServer(({ url }, response) => {
      paths.push(url)
      response.writeHead(url === '/bad' ? 500 : 200).end()
    }),
  )
  const instanceOf = (healthCheck?: HealthCheckSpec) =>
    createServiceInstance({ service: 'orders', id: 'a', address, port, ...(healthCheck && { healthCheck }) })
  const endpoint = createEndpoint(instanceOf({ type: 'http', path: '/bad' }))
  const cluster = createTestCluster([endpoint])
  const attached = createDeclaredCheckMonitor({ fastIntervalMs: 10, intervalMs: 50, minIntervalMs: 10, fall: 2 }).attach(cluster)
  onTestFinished(() => attached.close())
  await eventually(() => expect(cluster.log).toEqual(['eject a: http']), 10_000)
  expect(attached.explain?.(endpoint)).toMatchObject({ check: 'http', status: 'unhealthy', error: { code: 'SD_UNAVAILABLE' } })

  // An equal declaration in another object changes nothing.
  const { explain } = attached
  const before = explain?.(endpoint)?.since
  endpoint.update(instanceOf({ type: 'http', path: '/bad' }))
  attached.update?.()
  expect(explain?.(endpoint)?.since).toBe(before)

  endpoint.update(instanceOf({ type: 'http', path: '/good' }))
  attached.update?.()
  await eventually(() => expect(explain?.(endpoint)).toMatchObject({ status: 'healthy', error: undefined }), 10_000)
  expect(cluster.log[1]).toMatch(/^restore a/)

  endpoint.update(instanceOf())
  attached.update?.()
  expect(explain?.(endpoint)).toBeUndefined()
})

test.each<[string, object]>([
  ['name', { name: '' }],
  ['minIntervalMs', { minIntervalMs: 0 }],
  ['rampMs', { rampMs: -1 }],
  ['fall', { fall: 0 }],
  ['check', { check: {} }],
])('a bad %s is refused', (field, options) => {
  expect(() => createDeclaredCheckMonitor(options)).toThrow(expect.objectContaining({ code: 'SD_INVALID', field }))
})
