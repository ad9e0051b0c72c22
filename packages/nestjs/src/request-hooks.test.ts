import { Body, Controller, Get, Module, Post } from '@nestjs/common'
import { createAdaptiveLimit } from '@sd/concurrency-limit'
import { createServiceLogging } from '@sd/logging'
import { createServerLimits } from '@sd/server-limits'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { DeadlineAt, SdModule, type SdModuleOptions } from './index.ts'
import { adapters, closeAll, create, later, listen, openRegistry, quick, rootOf } from './testing/shop.ts'

afterEach(closeAll)

describe.each(Object.entries(adapters))('requests on %s', (_, makeAdapter) => {
  async function start(options: SdModuleOptions): Promise<string> {
    @Controller()
    class Orders {
      @Get('left')
      left(@DeadlineAt() deadlineAt: number | undefined): string {
        return deadlineAt === undefined ? 'none' : String(Math.ceil((deadlineAt - performance.now()) / 1_000))
      }
      @Post('orders')
      add(@Body() body: object): object {
        return body
      }
    }
    class OrdersModule {}
    Module({ controllers: [Orders] })(OrdersModule)
    const root = rootOf([SdModule.forRoot(quick({ registry: openRegistry(), ...options })), OrdersModule])
    return listen(await create(root, makeAdapter()))
  }

  test('are traced and logged, health is not', async () => {
    const lines: string[] = []
    const log = (level: string, message: string, fields: object): void =>
      void lines.push(JSON.stringify({ level, message, ...fields }))
    const logging = createServiceLogging({ logger: { log }, events: false })
    const seen: (string | undefined)[] = []
    const pass = <T>(_context: unknown, next: () => Promise<T>): Promise<T> => next()
    const middleware = (request: { readonly url?: string }, _response: unknown, next: () => void): void => {
      seen.push(request.url)
      next()
    }
    const url = await start({ logging, tracing: { call: pass, attempt: pass, middleware } })
    await fetch(`${url}/health/live`)
    const response = await fetch(`${url}/orders`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-request-id': 'r1' },
      body: '{"pieces":1}',
    })
    expect(await response.json()).toEqual({ pieces: 1 })
    expect(seen).toEqual(['/orders'])
    await vi.waitFor(() => expect(lines).toEqual([expect.stringMatching(/orders.*r1|r1.*orders/)]))
  })

  test('have the deadline of their caller', async () => {
    const url = await start({})
    expect(await (await fetch(`${url}/left`)).text()).toBe('none')
    const headers = { 'x-request-timeout-ms': '3000' }
    expect(await (await fetch(`${url}/left`, { headers })).text()).toBe('3')
  })

  test('are limited before their body is read, except for health, and have the deadline of the limits', async () => {
    const concurrency = createAdaptiveLimit({ name: 'orders', initialLimit: 1, minLimit: 1, maxLimit: 1, maxQueued: 0 })
    later(() => concurrency.close())
    const limits = createServerLimits({ name: 'orders', concurrency, timeoutMs: 2_000 })
    const close = vi.spyOn(limits, 'close')
    const url = await start({ limits })
    expect(await (await fetch(`${url}/left`)).text()).toBe('2')
    const place = await concurrency.acquire({})
    const response = await fetch(`${url}/orders`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: 'not JSON',
    })
    expect([response.status, ((await response.json()) as { code: string }).code]).toEqual([503, 'SD_REJECTED'])
    expect((await fetch(`${url}/health/ready`)).status).toBe(200)
    place.settle({ ok: true })
    await closeAll()
    expect(close).toHaveBeenCalledOnce()
  })
})

test('limits of another kind are refused', async () => {
  const root = rootOf([SdModule.forRoot(quick({ registry: 'memory:', limits: {} as never }))])
  await expect(create(root)).rejects.toThrow('limits.middleware')
})
