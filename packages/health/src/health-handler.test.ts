import { createServer } from 'node:http'
import { eventually } from '@sd/testing'
import { expect, onTestFinished, test } from 'vitest'
import { createHealthHandler, createHealthReporter } from './index.ts'
import { listen } from './testing/targets.ts'

async function serve(path?: string) {
  const own = { database: true, loop: true }
  const reporter = createHealthReporter({
    intervalMs: 10,
    rise: 1,
    fall: 1,
    checks: [
      {
        check: { name: 'database', run: () => (own.database ? Promise.resolve(undefined) : Promise.reject(new Error('secret'))) },
      },
      {
        kind: 'liveness',
        check: { name: 'loop', run: () => (own.loop ? Promise.resolve(undefined) : Promise.reject(new Error('stuck'))) },
      },
    ],
  })
  onTestFinished(() => reporter.close())
  const handleHealth = createHealthHandler(reporter, { ...(path !== undefined && { path }) })
  const { port } = await listen(
    createServer((request, response) => {
      if (!handleHealth(request, response)) response.writeHead(418).end()
    }),
  )
  async function get(url: string): Promise<[number, unknown]> {
    const response = await fetch(`http://127.0.0.1:${port}${url}`)
    const body = await response.text()
    return [response.status, body && JSON.parse(body)]
  }
  return { own, get }
}

test('responds with statuses, but no errors', async () => {
  const { own, get } = await serve()
  await eventually(async () => expect(await get('/health/ready')).toEqual([200, { ready: true }]), 10_000)
  expect(await get('/health?full')).toEqual([200, { status: 'healthy', checks: { database: 'healthy', loop: 'healthy' } }])
  expect(await get('/health/live')).toEqual([200, { live: true }])

  own.database = false
  await eventually(async () => expect(await get('/health/ready')).toEqual([503, { ready: false }]), 10_000)
  expect(await get('/health')).toEqual([503, { status: 'unhealthy', checks: { database: 'unhealthy', loop: 'healthy' } }])
  expect(await get('/health/live')).toEqual([200, { live: true }])

  own.loop = false
  await eventually(async () => expect(await get('/health/live')).toEqual([503, { live: false }]), 10_000)
})

test('ignores other paths', async () => {
  const { get } = await serve('/status')
  for (const path of ['/', '/health', '/statuses', '/status/other']) expect((await get(path))[0]).toBe(418)
  expect((await get('/status'))[0]).not.toBe(418)
})

test.each(['', 'health', '/', '/health/', '/a b'])('a path %j is refused', (path) => {
  const reporter = createHealthReporter({ checks: [{ check: { name: 'a', run: async () => undefined } }] })
  onTestFinished(() => reporter.close())
  expect(() => createHealthHandler(reporter, { path })).toThrow(expect.objectContaining({ code: 'SD_INVALID', field: 'path' }))
})
