import { setTimeout as delay } from 'node:timers/promises'
import { createApp } from '@sd/app'
import type { RunningInstance } from './instance.ts'
import { openMemoryBackend } from './memory-backend.ts'
import { createBalancer, type QuickstartOptions } from './options.ts'
import { openRegistryBackend } from './registry-backend.ts'
import { createScreen, seconds } from './screen.ts'
import { renderSummary, type ScenarioLog } from './summary.ts'
import { createTally, type Tally, tallyOf, turnSecond } from './tally.ts'
import { startTraffic } from './traffic.ts'
import { untilFound, untilLeaseEnds } from './waits.ts'

/**
 * Runs the whole path of a call under load: instances register, a client discovers, balances and calls. One instance joins at a
 * quarter of the time, one leaves at half of it, one is killed at three quarters.
 *
 * @returns the counts
 */
export async function runQuickstart(options: QuickstartOptions, output: NodeJS.WriteStream): Promise<Tally> {
  const backend = options.registry ? await openRegistryBackend(options.registry) : openMemoryBackend()
  const app = await createApp({
    service: 'quickstart',
    registry: backend.registry,
    client: { balancer: createBalancer(options.balancer), timeoutMs: 2_000 },
  })
  const { client, discovery } = app
  const names = Array.from({ length: options.services }, (_, index) => `service-${index + 1}`)
  const services = names.map((name) => backend.scope + name)
  const tally = createTally()
  let nextPort = options.port

  function start(name: string, number: number): Promise<RunningInstance> {
    const port = nextPort > 0 ? nextPort++ : 0
    const id = `${name}-${number}`
    tallyOf(tally, backend.scope + name, id)
    return backend.start({ service: backend.scope + name, id, port, weight: number % 3 === 0 ? 2 : 1 })
  }

  const numbers = Array.from({ length: options.instances }, (_, index) => index + 1)
  const running = await Promise.all(names.flatMap((name) => numbers.map((number) => start(name, number))))
  await Promise.all(services.map((service) => untilFound(discovery, service, options.instances)))

  const screen = createScreen(output)
  const startedAt = performance.now()
  const events: string[] = []
  const title = `${options.balancer} at ${options.rate} calls/s`
  const draw = (): void => screen.draw({ title, elapsedMs: performance.now() - startedAt, tally, events })
  const note = (text: string): void => void events.push(`${seconds(performance.now() - startedAt)}  ${text}`)
  const timers = [setInterval(draw, 100), setInterval(() => turnSecond(tally), 1_000)]
  note(`${running.length} instances found in ${backend.label}`)
  const traffic = startTraffic({ client, services, rate: options.rate, tally })
  const phaseMs = (options.duration * 1_000) / 4
  const [name, service] = [names[0] as string, services[0] as string]

  await delay(phaseMs)
  const joined = await start(name, options.instances + 1)
  running.push(joined)
  tallyOf(tally, service, joined.plan.id).status = 'joined'
  note(`${joined.plan.id} joined`)

  await delay(phaseMs)
  const leaving = running[0] as RunningInstance
  const left = { id: leaving.plan.id, at: performance.now(), failedDuring: tally.failed }
  note(`${left.id} leaves gracefully`)
  const leave = leaving.leave().then(() => {
    tallyOf(tally, service, left.id).status = 'left'
    left.failedDuring = tally.failed - left.failedDuring
  })

  await delay(phaseMs)
  await leave
  const victim = running[1] as RunningInstance
  const killed: ScenarioLog['killed'] = { id: victim.plan.id, at: performance.now() }
  victim.kill()
  tallyOf(tally, service, killed.id).status = 'killed'
  note(`${killed.id} is killed`)
  const end = new AbortController()
  const watching = untilLeaseEnds(backend.registry, victim.plan, end.signal).then((leaseEndedAt) => {
    if (leaseEndedAt === undefined) return
    killed.leaseEndedAt = leaseEndedAt
    note(`the lease of ${killed.id} has ended`)
  })

  await delay(phaseMs)
  await traffic.stop()
  end.abort()
  await watching
  for (const timer of timers) clearInterval(timer)
  draw()
  const durationMs = performance.now() - startedAt
  output.write(`\n${renderSummary(tally, { registry: backend.label, left, killed }, durationMs)}`)
  const staying = running.filter((instance) => instance !== victim && instance !== leaving)
  await Promise.all([app.close(), ...staying.map((instance) => instance.leave())])
  await backend.close()
  return tally
}
