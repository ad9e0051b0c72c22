import { Controller, Get, Module } from '@nestjs/common'
import { HealthCheck, HealthCheckService, TerminusModule } from '@nestjs/terminus'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { SdHealthIndicator, SdModule } from './index.ts'
import { adapters, closeAll, create, listen, openRegistry, quick } from './testing/shop.ts'

afterEach(closeAll)

@Controller('status')
class StatusController {
  readonly health: HealthCheckService
  readonly sd: SdHealthIndicator
  constructor(health: HealthCheckService, sd: SdHealthIndicator) {
    this.health = health
    this.sd = sd
  }
  @Get()
  @HealthCheck()
  check(): Promise<unknown> {
    return this.health.check([() => this.sd.isReady(), () => this.sd.isLive('process')])
  }
}

describe.each(Object.entries(adapters))('the indicator for terminus on %s', (_, makeAdapter) => {
  test('follows the state of the application and its own checks', async () => {
    let isFull = true
    const disk = {
      name: 'disk',
      run: async () => {
        if (isFull) throw new Error('full')
        return {}
      },
    }
    const health = [{ check: disk, kind: 'readiness' as const }]
    const options = quick({ registry: openRegistry(), health, lifecycle: { readyPath: '/ready' } })
    class Root {}
    Module({
      imports: [SdModule.forRoot(options), TerminusModule],
      controllers: [StatusController],
      providers: [SdHealthIndicator],
    })(Root)
    const app = await create(Root, makeAdapter())
    const url = await listen(app)
    const read = async (): Promise<unknown> => {
      const response = await fetch(`${url}/status`)
      return [response.status, (await response.json()) as unknown]
    }
    const patience = { timeout: 20_000, interval: 100 }
    const full = { error: { sd: { status: 'down', state: 'ready' } }, info: { process: { status: 'up' } } }
    await vi.waitFor(async () => expect(await read()).toMatchObject([503, full]), patience)
    isFull = false
    const sd = { status: 'up', state: 'ready', checks: { disk: 'healthy' } }
    await vi.waitFor(
      async () => expect(await read()).toMatchObject([200, { details: { sd, process: { status: 'up' } } }]),
      patience,
    )
    expect((await fetch(`${url}/ready`)).status).toBe(200)
  })
})
