import { createSemaphore, withTimeout } from '@sd/core'

/** Limits of one request. */
export interface RequestLimit {
  /** Time limit from when the request is sent, in milliseconds. */
  readonly timeoutMs: number
  /** Name of the operation, for messages. */
  readonly what: string
  /** The caller's signal. */
  readonly signal: AbortSignal
}

/** Requests of one kind to one agent, with a limit of connections. */
export interface RequestLane {
  /** Whether no request can be sent now, because all connections wait for responses to abandoned requests. */
  readonly blocked: boolean
  /**
   * Sends a request and waits for the response. If the caller gives up, it returns at once, but the request keeps its
   * connection and place until the agent has responded: an agent continues to work on a request whose client
   * disconnected, and includes it in its own limit of connections.
   */
  run<T>(send: (signal: AbortSignal) => Promise<T>, limit: RequestLimit): Promise<T>
  /** Ends abandoned requests. */
  close(): void
}

/** Longest time that an abandoned request keeps its place, in milliseconds. */
const givenUpMs = 120_000

/** Pause between scouts, and between the places that they free, in milliseconds. */
const scoutPauseMs = 1_000

/**
 * Creates a lane of `places` connections. If all of them wait for responses to abandoned requests, one request at a
 * time is sent as a scout. If the agent responds to it, the oldest abandoned request is closed and its place becomes
 * free. A restored network is therefore used again within a second, and a hanging agent gets at most one connection per
 * second.
 */
export function createRequestLane(places: number): RequestLane {
  const semaphore = createSemaphore(places)
  const abandoned = new Set<AbortController>()
  let isScouting = false
  let nextScoutAt = 0

  const isFull = (): boolean => abandoned.size >= places

  async function scout<T>(send: (signal: AbortSignal) => Promise<T>, { signal, ...limit }: RequestLimit): Promise<T> {
    isScouting = true
    try {
      const result = await withTimeout({ ...limit, signal }, send)
      abandoned.values().next().value?.abort()
      return result
    } finally {
      isScouting = false
      nextScoutAt = performance.now() + scoutPauseMs
    }
  }

  async function keepUntilResponse(request: Promise<unknown>, controller: AbortController): Promise<void> {
    abandoned.add(controller)
    const timer = setTimeout(() => controller.abort(), givenUpMs)
    timer.unref?.()
    await request.catch(() => undefined)
    clearTimeout(timer)
    abandoned.delete(controller)
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
        else void keepUntilResponse(request, controller).finally(release)
      }
    },
    close() {
      for (const controller of abandoned) controller.abort()
    },
  }
}
