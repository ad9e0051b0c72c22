import type { ServiceClient } from '@sd/client'
import { subscribeTelemetry } from '@sd/core'
import { type Tally, tallyOf } from './tally.ts'

/** A steady load of calls. */
export interface Traffic {
  /** Stops, and waits for calls in progress. */
  stop(): Promise<void>
}

/** Options of {@link startTraffic}. */
export interface TrafficOptions {
  /** Client for the calls. */
  readonly client: ServiceClient
  /** The services to call, in turn. */
  readonly services: readonly string[]
  /** Calls per second. */
  readonly rate: number
  /** Counts the calls. */
  readonly tally: Tally
}

/** Interval at which a batch of calls is started, in milliseconds. */
const tickMs = 10

/** Calls the services at a steady rate, independent of response times. */
export function startTraffic({ client, services, rate, tally }: TrafficOptions): Traffic {
  const unsubscribe = subscribeTelemetry('sd:v1:attempt:end', ({ call, instanceId, attempts }) => {
    tallyOf(tally, call.service, instanceId).lastAttemptAt = performance.now()
    if (attempts > 1) tally.retried++
  })
  const underWay = new Set<Promise<void>>()
  const startedAt = performance.now()
  let started = 0

  async function call(number: number): Promise<void> {
    const service = services[number % services.length] as string
    try {
      const response = await client.get(service, `/orders/${number}`, { hashKey: `user-${number % 1_000}` })
      await response.json()
      tally.answered++
      const instance = tallyOf(tally, service, response.endpoint.instance.id)
      instance.served++
      instance.thisSecond++
    } catch (error) {
      tally.failed++
      tally.firstFailure ??= (error as Error).message
    }
  }

  const timer = setInterval(() => {
    const due = ((performance.now() - startedAt) / 1_000) * rate
    for (; started < due; started++) {
      const running = call(started).finally(() => underWay.delete(running))
      underWay.add(running)
    }
  }, tickMs)

  return {
    async stop() {
      clearInterval(timer)
      await Promise.all(underWay)
      unsubscribe()
    },
  }
}
