import { createSemaphore, withTimeout } from '@sd/core'

/** How one request is waited for. */
export interface RequestLimit {
  /** Limit in milliseconds, from when the request is sent. */
  readonly timeoutMs: number
  /** What is being done, for messages. */
  readonly what: string
  /** The caller's signal. */
  readonly signal: AbortSignal
}

/** Requests of one kind to one agent, and the bound on their connections. */
export interface RequestLane {
  /** Whether no request can be sent now, because all connections wait for responses that nobody else waits for. */
  readonly blocked: boolean
  /**
   * Sends a request and waits for it. A caller that gives up is told so at once; the request keeps its connection and its place until the
   * agent has responded: an agent goes on working on a request whose client left, and counts it for its own limit of connections.
   */
  run<T>(send: (signal: AbortSignal) => Promise<T>, limit: RequestLimit): Promise<T>
  /** Ends what was given up. */
  close(): void
}

/** Longest time that a request which was given up keeps its place, in milliseconds. */
const givenUpMs = 120_000

/** Pause between scouts, and between the places that they free, in milliseconds. */
const scoutPauseMs = 1_000

/**
 * Makes a lane of `places` connections. When all of them wait for responses that were given up, one request at a time goes out as a
 * scout. If the agent responds to it, the request that was given up first loses its connection, and its place is used again: so a way
 * that was cut and is mended serves again within a second, and an agent that hangs is not given more than a connection a second.
 */
export function createRequestLane(places: number): RequestLane {
  const semaphore = createSemaphore(places)
  const givenUp = new Set<AbortController>()
  let isScouting = false
  let nextScoutAt = 0

  const isFull = (): boolean => givenUp.size >= places

  async function scout<T>(send: (signal: AbortSignal) => Promise<T>, { signal, ...limit }: RequestLimit): Promise<T> {
    isScouting = true
    try {
      const result = await withTimeout({ ...limit, signal }, send)
      givenUp.values().next().value?.abort()
      return result
    } finally {
      isScouting = false
      nextScoutAt = performance.now() + scoutPauseMs
    }
  }

  async function keepUntilAnswered(request: Promise<unknown>, controller: AbortController): Promise<void> {
    givenUp.add(controller)
    const timer = setTimeout(() => controller.abort(), givenUpMs)
    timer.unref?.()
    await request.catch(() => undefined)
    clearTimeout(timer)
    givenUp.delete(controller)
  }

  return {
    get blocked() {
      return isFull() && (isScouting || performance.now() < nextScoutAt)
    },
    async run(send, limit) {
      if (isFull() && !isScouting && performance.now() >= nextScoutAt) return scout(send, limit)
      const release = await semaphore.acquire(limit.signal)
      const controller = new AbortController()
      let isOver = false
      const request = send(controller.signal).finally(() => {
        isOver = true
      })
      try {
        return await withTimeout(limit, () => request)
      } finally {
        if (isOver) release()
        else void keepUntilAnswered(request, controller).finally(release)
      }
    },
    close() {
      for (const controller of givenUp) controller.abort()
    },
  }
}
