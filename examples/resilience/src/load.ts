import type { ServiceClient } from '@sd/client'
import type { CallEnd } from './tally.ts'
import type { Witness } from './witness.ts'

/** A steady load of calls. */
export interface Load {
  /** Stops, and waits for calls in progress. */
  stop(): Promise<void>
}

/** Calls per second. */
const rate = 150

/** Interval at which a batch of calls is started, in milliseconds. */
const tickMs = 10

/** Calls a service at a steady rate, independent of response times. */
export function startLoad(client: ServiceClient, service: string, witness: Witness): Load {
  const underWay = new Set<Promise<void>>()
  const startedAt = performance.now()
  let started = 0

  async function call(): Promise<void> {
    const callStartedAt = performance.now()
    const end = await client.get(service, '/').then(
      async (response): Promise<CallEnd> => {
        await response.text()
        if (response.status >= 500) return 'failed'
        return response.endpoint.instance.id === 'fallback' ? 'fallback' : 'answered'
      },
      (): CallEnd => 'failed',
    )
    witness.callEnded(end, performance.now() - callStartedAt)
  }

  const timer = setInterval(() => {
    const due = ((performance.now() - startedAt) / 1_000) * rate
    for (; started < due; started++) {
      const running = call().finally(() => underWay.delete(running))
      underWay.add(running)
    }
  }, tickMs)

  return {
    async stop() {
      clearInterval(timer)
      await Promise.all(underWay)
    },
  }
}
