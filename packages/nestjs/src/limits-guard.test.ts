import { Controller, Get, Module, UseGuards } from '@nestjs/common'
import { createAdaptiveLimit } from '@sd/concurrency-limit'
import { createMemoryRateLimiter } from '@sd/rate-limit-memory'
import { createServerLimits } from '@sd/server-limits'
import { afterEach, describe, expect, test } from 'vitest'
import { createLimitsGuard } from './index.ts'
import { adapters, closeAll, create, later, listen } from './testing/shop.ts'

afterEach(closeAll)

describe.each(Object.entries(adapters))('the guard on %s', (_, makeAdapter) => {
  test('refuses over the rate of a caller, on its routes only', async () => {
    const limiter = createMemoryRateLimiter({ limit: 1, windowMs: 60_000 })
    const limits = createServerLimits({ name: 'orders', rate: { limiter, key: ({ headers }) => String(headers['x-user']) } })
    later(() => limits.close())
    later(() => limiter.close())
    @Controller()
    class Orders {
      @Get('limited')
      @UseGuards(createLimitsGuard(limits))
      limited(): string {
        return 'ok'
      }
      @Get('free')
      free(): string {
        return 'ok'
      }
    }
    class Root {}
    Module({ controllers: [Orders] })(Root)
    const url = await listen(await create(Root, makeAdapter()))
    const get = (path: string, user: string): Promise<Response> => fetch(`${url}/${path}`, { headers: { 'x-user': user } })
    const first = await get('limited', 'ann')
    expect([first.status, first.headers.get('ratelimit')]).toEqual([200, expect.stringContaining('r=0')])
    const second = await get('limited', 'ann')
    expect([second.status, Number(second.headers.get('retry-after')) > 0]).toEqual([429, true])
    expect(second.headers.get('content-type')).toContain('application/problem+json')
    expect(await second.json()).toMatchObject({ code: 'SD_REJECTED', status: 429 })
    expect((await get('limited', 'ben')).status).toBe(200)
    expect((await get('free', 'ann')).status).toBe(200)
  })

  test('holds a place until the response was sent, and passes what a middleware has admitted', async () => {
    const concurrency = createAdaptiveLimit({ name: 'orders', initialLimit: 1, minLimit: 1, maxLimit: 1, maxQueued: 0 })
    const limits = createServerLimits({ name: 'orders', concurrency })
    later(() => limits.close())
    later(() => concurrency.close())
    let release = (): void => undefined
    @Controller()
    class Orders {
      @Get('slow')
      @UseGuards(createLimitsGuard(limits))
      slow(): Promise<string> {
        return new Promise((resolve) => {
          release = () => resolve('ok')
        })
      }
    }
    class Root {}
    Module({ controllers: [Orders] })(Root)
    const url = await listen(await create(Root, makeAdapter()))
    const first = fetch(`${url}/slow`)
    await expect.poll(() => concurrency.load.active).toBe(1)
    expect((await fetch(`${url}/slow`)).status).toBe(503)
    release()
    expect((await first).status).toBe(200)
    await expect.poll(() => concurrency.load.active).toBe(0)
  })
})
