import { setTimeout as delay } from 'node:timers/promises'
import { createServiceClient } from '@sd/client'
import { createDiscovery } from '@sd/discovery'
import { createMemoryRegistry, createMemoryStore } from '@sd/registry-memory'
import { type RunningInstance, startInstance } from './instance.ts'
import { createBalancer, type QuickstartOptions } from './options.ts'
import { createScreen, seconds } from './screen.ts'
import { renderSummary } from './summary.ts'
import { createTally, type Tally, tallyOf, turnSecond } from './tally.ts'
import { startTraffic } from './traffic.ts'

/**
 * Runs the whole path of a call, under load: instances register, a client discovers, balances and calls; one instance joins at a
 * quarter of the time, one leaves at a half, one is killed at three quarters.
 *
 * @returns the counts
 */
export async function runQuickstart(options: QuickstartOptions, output: NodeJS.WriteStream): Promise<Tally> {
  const store = createMemoryStore({ sweepIntervalMs: 100 })
  const registry = createMemoryRegistry({ store })
  const discovery = createDiscovery({ source: registry })
  const client = createServiceClient({ discovery, balancer: createBalancer(options.balancer), timeoutMs: 2_000 })
  const services = Array.from({ length: options.services }, (_, index) => `service-${index + 1}`)
  const running: RunningInstance[] = []
  let nextPort = options.port

  async function start(service: string, number: number): Promise<RunningInstance> {
    const instance = await startInstance({ service, number, port: nextPort, store })
    if (nextPort > 0) nextPort++
    running.push(instance)
    tallyOf(tally, service, instance.id)
    return instance
  }

  const tally = createTally()
  for (const service of services) for (let number = 1; number <= options.instances; number++) await start(service, number)

  const screen = createScreen(output)
  const startedAt = performance.now()
  const events: string[] = []
  const title = `${options.balancer} at ${options.rate} calls/s`
  const draw = (): void => screen.draw({ title, elapsedMs: performance.now() - startedAt, tally, events })
  const note = (text: string): void => void events.push(`${seconds(performance.now() - startedAt)}  ${text}`)
  const timers = [setInterval(draw, 100), setInterval(() => turnSecond(tally), 1_000)]
  const traffic = startTraffic({ client, services, rate: options.rate, tally })
  const phaseMs = (options.duration * 1_000) / 4
  const service = services[0] as string

  await delay(phaseMs)
  const joined = await start(service, options.instances + 1)
  tallyOf(tally, service, joined.id).status = 'joined'
  note(`${joined.id} joined`)

  await delay(phaseMs)
  const leaving = running[0] as RunningInstance
  const left = { id: leaving.id, at: performance.now(), failedDuring: tally.failed }
  note(`${leaving.id} leaves gracefully`)
  const leave = leaving.leave().then(() => {
    tallyOf(tally, service, leaving.id).status = 'left'
    left.failedDuring = tally.failed - left.failedDuring
  })

  await delay(phaseMs)
  await leave
  const victim = running[1] as RunningInstance
  const killed = { id: victim.id, at: performance.now() }
  victim.kill()
  tallyOf(tally, service, victim.id).status = 'killed'
  note(`${victim.id} is killed`)

  await delay(phaseMs)
  await traffic.stop()
  for (const timer of timers) clearInterval(timer)
  draw()
  const durationMs = performance.now() - startedAt
  output.write(`\n${renderSummary(tally, { left, killed }, durationMs)}`)
  await Promise.all([client.close(), ...running.filter((instance) => instance !== victim).map((instance) => instance.leave())])
  await discovery.close()
  await registry.close()
  return tally
}
