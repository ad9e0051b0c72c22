/** What became of some requests. */
export interface Tally {
  requests: number
  /** Reasons of failed requests. */
  readonly failures: string[]
  /** Responses by the id of the instance. */
  readonly byInstance: Map<string, number>
  /** Responses by the version of the instance. */
  readonly byVersion: Map<string, number>
}

/** A steady load on one URL. */
export interface Load {
  /** Counts the requests that begin while `work` runs. */
  during(work: () => Promise<unknown>): Promise<Tally>
  /** Starts no more requests, and waits for those in progress. */
  stop(): Promise<void>
}

/** Requests per second. */
export const perSecond = 100

/** Sends GET requests at a steady rate, however fast the responses arrive. */
export function startLoad(url: string): Load {
  const tallies = new Set<Tally>()
  const inProgress = new Set<Promise<void>>()
  const startedAt = performance.now()
  let started = 0

  async function send(): Promise<void> {
    const counting = [...tallies]
    for (const tally of counting) tally.requests++
    try {
      const response = await fetch(url)
      if (response.status !== 200) throw new Error(`status ${response.status}`)
      const { id, version } = (await response.json()) as { id: string; version: string }
      for (const { byInstance, byVersion } of counting) {
        byInstance.set(id, (byInstance.get(id) ?? 0) + 1)
        byVersion.set(version, (byVersion.get(version) ?? 0) + 1)
      }
    } catch (error) {
      for (const { failures } of counting) failures.push(describe(error))
    }
  }

  const timer = setInterval(() => {
    const due = ((performance.now() - startedAt) / 1_000) * perSecond
    for (; started < due; started++) {
      const sending = send().finally(() => inProgress.delete(sending))
      inProgress.add(sending)
    }
  }, 10)

  return {
    async during(work) {
      const tally: Tally = { requests: 0, failures: [], byInstance: new Map(), byVersion: new Map() }
      tallies.add(tally)
      await work()
      tallies.delete(tally)
      await Promise.all(inProgress)
      return tally
    },
    async stop() {
      clearInterval(timer)
      await Promise.all(inProgress)
    },
  }
}

function describe(error: unknown): string {
  const { message, cause } = error as Error
  return cause instanceof Error ? `${message}: ${cause.message}` : message
}
