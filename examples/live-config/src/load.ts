import type { ServiceClient } from '@sd/client'
import { SdError } from '@sd/core'
import { createTally, type Tally } from './tally.ts'

/** A steady load of calls. */
export interface Load {
  /** Counts the calls that begin while `work` runs. */
  during(work: () => Promise<void>): Promise<Tally>
  /** Stops, and waits for calls in progress. */
  stop(): Promise<void>
}

/** Calls per second. */
export const callsPerSecond = 100

/** Interval at which a batch of calls is started, in milliseconds. */
const tickMs = 10

/** Calls a service at a steady rate, independent of response times. */
export function startLoad(client: ServiceClient, service: string): Load {
  const tallies = new Set<Tally>()
  const underWay = new Set<Promise<void>>()
  const startedAt = performance.now()
  let started = 0

  async function call(): Promise<void> {
    const counting = [...tallies]
    const end = await callOnce(client, service)
    for (const tally of counting) {
      tally[end.kind]++
      if (end.kind === 'answered') tally.served.set(end.id, (tally.served.get(end.id) ?? 0) + 1)
    }
  }

  const timer = setInterval(() => {
    const due = ((performance.now() - startedAt) / 1_000) * callsPerSecond
    for (; started < due; started++) {
      const running = call().finally(() => underWay.delete(running))
      underWay.add(running)
    }
  }, tickMs)

  return {
    async during(work) {
      const tally = createTally()
      tallies.add(tally)
      await work()
      tallies.delete(tally)
      await Promise.all(underWay)
      return tally
    },
    async stop() {
      clearInterval(timer)
      await Promise.all(underWay)
    },
  }
}

type CallEnd = { readonly kind: 'answered'; readonly id: string } | { readonly kind: 'refused' | 'failed' }

async function callOnce(client: ServiceClient, service: string): Promise<CallEnd> {
  try {
    const response = await client.get(service, '/')
    const id = await response.text()
    return response.status < 400 ? { kind: 'answered', id } : { kind: 'failed' }
  } catch (error) {
    return { kind: error instanceof SdError && error.code === 'SD_REJECTED' ? 'refused' : 'failed' }
  }
}
