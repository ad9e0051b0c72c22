import { createServiceClient, type ServiceClient } from '@sd/client'
import { collectStates, SdError } from '@sd/core'
import { createDiscovery, type Discovery } from '@sd/discovery'
import { type Fault, faultLength } from './faults.ts'
import { createInstanceList } from './instance-list.ts'
import { type SimulatedAttempt, SimulatedServer, SimulatedTransport } from './network.ts'
import { balancers, type Preset } from './presets.ts'
import { inVirtualTime, type VirtualTime } from './virtual-time.ts'

/** One run: configuration of the client, fault and number of instances. */
export interface Scenario {
  readonly preset: Preset
  /** Name of the balancer. */
  readonly balancer: string
  readonly fault: Fault
  /** Number of instances. */
  readonly size: number
  /** Duration of the fault, in milliseconds. */
  readonly durationMs: number
  /** Calls per second. */
  readonly rate: number
  /** Seed of all random values. */
  readonly seed: number
}

/** A call of the open loop. */
export interface SimulatedCall {
  /** Start in virtual milliseconds. */
  readonly at: number
  readonly method: string
  /** End in virtual milliseconds; `Infinity` if it never ended. */
  endedAt: number
  /** Code of the error or status of the failure; `undefined` for a success. */
  failure: string | undefined
}

/** Result of a run. */
export interface ScenarioResult {
  /** When the fault began, in virtual milliseconds. */
  readonly faultAt: number
  /** When the loop ended. */
  readonly loadEndedAt: number
  /** All calls. */
  readonly calls: readonly SimulatedCall[]
  /** All attempts that reached the network. */
  readonly attempts: readonly SimulatedAttempt[]
  /** Per server, the longest time after the fault in which it was up, listed and not out, but got no attempt, in milliseconds. */
  readonly starvedMs: readonly number[]
  /** Per server, how long it was out after the fault, in milliseconds. */
  readonly outMs: readonly number[]
  /** Sum of the active attempts of all endpoints after all calls had ended. */
  readonly active: number
  /** Sum of the permits of concurrency limits that were still held then. */
  readonly permits: number
  /** Number of timers left after everything was closed. */
  readonly timersLeft: number
}

/** Deadline of each call, in milliseconds. */
export const deadlineMs = 2_000
const warmUpMs = 3_000
const sampleMs = 100

/** Duration of the load after the fault, in milliseconds. */
const recoveryMs = 12_000

/** Runs a scenario in virtual time. */
export function runScenario(scenario: Scenario): Promise<ScenarioResult> {
  return inVirtualTime(scenario.seed, (time) => simulate(scenario, time))
}

async function simulate(scenario: Scenario, time: VirtualTime): Promise<ScenarioResult> {
  const { preset, balancer, fault, size, durationMs, rate } = scenario
  const list = createInstanceList(time)
  const transport = new SimulatedTransport(time)
  const servers = Array.from({ length: size }, (_, index) => new SimulatedServer(index, time))
  for (const server of servers) {
    transport.add(server)
    list.add(server.instance)
  }
  const discovery = createDiscovery({ ...preset.discovery(), source: list.source })
  const client = createServiceClient({
    ...preset.settings,
    discovery,
    transport,
    timeoutMs: deadlineMs,
    balancer: (balancers[balancer] as () => ReturnType<(typeof balancers)[string]>)(),
  })
  const load = startLoad(client, time, rate)
  await time.advance(warmUpMs)
  const faultAt = time.now
  fault.begin({ time, servers, list, transport, durationMs })
  await time.advance(faultLength(scenario))
  const watch = watchServers({ time, servers, discovery, attempts: transport.attempts })
  await time.advance(recoveryMs)
  watch.stop()
  const loadEndedAt = time.now
  const calls = load.stop()
  await time.advance(deadlineMs + 500)
  const active = sum(
    discovery
      .cluster('orders')
      .explain()
      .endpoints.map(({ endpoint }) => endpoint.active),
  )
  const permits = sum(collectStates().map((state) => (state.kind === 'limit' ? state.active : 0)))
  await time.settle(client.close(), 10_000)
  await time.settle(discovery.close(), 10_000)
  await time.settle(list.close(), 10_000)
  await time.advance(0)
  const { attempts } = transport
  const { starvedMs, outMs } = watch
  return { faultAt, loadEndedAt, calls, attempts, starvedMs, outMs, active, permits, timersLeft: time.pendingTimers }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}

/** Makes calls at random times, regardless of earlier calls. 80 % GET, 10 % PUT, 10 % POST. */
function startLoad(client: ServiceClient, time: VirtualTime, rate: number): { stop(): SimulatedCall[] } {
  const calls: SimulatedCall[] = []
  let isStopped = false
  async function call(): Promise<void> {
    const draw = Math.random()
    const method = draw < 0.8 ? 'GET' : draw < 0.9 ? 'PUT' : 'POST'
    const made: SimulatedCall = { at: time.now, method, endedAt: Number.POSITIVE_INFINITY, failure: undefined }
    calls.push(made)
    try {
      const response = await client.request('orders', '/', { method, hashKey: `user-${Math.floor(Math.random() * 10_000)}` })
      await response.bytes()
      if (response.status >= 500) made.failure = String(response.status)
    } catch (error) {
      made.failure = error instanceof SdError ? error.code : String(error)
    }
    made.endedAt = time.now
  }
  function next(): void {
    time.schedule((-Math.log(1 - Math.random()) / rate) * 1_000, () => {
      if (isStopped) return
      void call()
      next()
    })
  }
  next()
  return {
    stop() {
      isStopped = true
      return calls
    },
  }
}

interface WatchInit {
  readonly time: VirtualTime
  readonly servers: readonly SimulatedServer[]
  readonly discovery: Discovery
  readonly attempts: readonly SimulatedAttempt[]
}

/** Samples which servers are out, and which get no traffic although they are not. */
function watchServers({ time, servers, discovery, attempts }: WatchInit): {
  readonly starvedMs: number[]
  readonly outMs: number[]
  stop(): void
} {
  const starvedMs = servers.map(() => 0)
  const outMs = servers.map(() => 0)
  const waiting = servers.map(() => 0)
  let isStopped = false
  let seen = attempts.length
  function sample(): void {
    if (isStopped) return
    // While no attempt is sent at all, no server is neglected. Failing calls are judged separately.
    const isIdle = seen === attempts.length
    for (; seen < attempts.length; seen++) waiting[(attempts[seen] as SimulatedAttempt).server] = 0
    const known = new Map(
      discovery
        .cluster('orders')
        .explain()
        .endpoints.map((explained) => [explained.endpoint.instance.id, explained]),
    )
    for (const [index, { instance, mode }] of servers.entries()) {
      const explained = known.get(instance.id)
      if (!explained || mode !== 'up') waiting[index] = 0
      else if (explained.dropped !== undefined || !explained.endpoint.available)
        outMs[index] = (outMs[index] as number) + sampleMs
      else if (!isIdle) waiting[index] = (waiting[index] as number) + sampleMs
      starvedMs[index] = Math.max(starvedMs[index] as number, waiting[index] as number)
    }
    time.schedule(sampleMs, sample)
  }
  sample()
  return {
    starvedMs,
    outMs,
    stop() {
      isStopped = true
    },
  }
}
