import { SdError, sleep, spread, toSdError } from '@sd/core'
import type { FleetState } from './fleet-state.ts'
import type { FleetModel } from './model.ts'
import type { ResolvedFleetOptions } from './options.ts'
import type { AdminClient } from './process/admin-client.ts'
import { askDoubts } from './process/ask-views.ts'
import { pollProcesses } from './process/poll.ts'
import type { RegistryView } from './registry/registry-view.ts'

/** Shortest time between two models of one round, in milliseconds: a large one takes some time to build. */
const minPublishMs = 1_000
/** Longest time to wait for the first list of services, in milliseconds. */
const firstListMs = 5_000

/** Polls while it is wanted. */
export interface Poller {
  /** Polls again and again until the returned function is called. Several callers share one poller. */
  hold(): () => void
  /** Polls once more, or waits for the poll in progress and then polls. */
  refresh(): Promise<FleetModel>
  /** Ends polls in progress. */
  close(): void
}

/** What a poller needs. */
export interface PollerParts {
  readonly options: ResolvedFleetOptions
  readonly state: FleetState
  readonly registry: RegistryView
  readonly client: AdminClient
  /** Receives every model. */
  readonly publish: (model: FleetModel) => void
}

/** Creates a poller. It reads nothing before it is held or refreshed. */
export function createPoller({ options, state, registry, client, publish }: PollerParts): Poller {
  const closing = new AbortController()
  let holders = 0
  let loop: AbortController | undefined
  let current: Promise<FleetModel> | undefined

  async function round(signal: AbortSignal): Promise<FleetModel> {
    if (signal.aborted) throw new SdError('SD_CLOSED', 'The fleet is closed')
    registry.start()
    await registry.ready(firstListMs)
    for (const { target } of state.findProcesses(Date.now())) client.forget(target)
    // A round with many processes that do not answer takes long; what is known is shown before it ends.
    const meanwhile = setInterval(() => publish(state.update(Date.now())), Math.max(minPublishMs, options.intervalMs))
    try {
      await pollProcesses(state.table.due(Date.now()), {
        client,
        signal,
        concurrency: options.concurrency,
        timeoutMs: options.requestTimeoutMs,
        intervalMs: options.intervalMs,
        onSnapshot: (entry, previous) => state.takeSnapshot(entry, previous),
      })
      if (!signal.aborted) {
        await askDoubts(state.joined.processes, {
          client,
          signal,
          views: state.views,
          targetOf: (processId) => state.joined.entries.get(processId)?.target,
          nameOf: (called) => state.nameOf(called),
          timeoutMs: options.requestTimeoutMs,
        })
      }
    } finally {
      clearInterval(meanwhile)
    }
    const model = state.update(Date.now())
    publish(model)
    return model
  }

  /** Runs one round at a time. */
  function poll(): Promise<FleetModel> {
    const next = (current?.catch(() => undefined) ?? Promise.resolve()).then(() => round(closing.signal))
    current = next
    const forget = (): void => {
      if (current === next) current = undefined
      if (holders === 0 && current === undefined) registry.stop()
    }
    next.then(forget, forget)
    return next
  }

  async function run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const startedAt = performance.now()
      try {
        await (current ?? poll())
      } catch (error) {
        if (signal.aborted) return
        options.onError(toSdError(error, 'SD_MALFORMED', 'Poll'))
      }
      const restMs = Math.max(spread(options.intervalMs) - (performance.now() - startedAt), options.intervalMs / 10)
      await sleep(restMs, signal, true).catch(() => undefined)
    }
  }

  return {
    hold() {
      holders++
      if (!loop) {
        loop = new AbortController()
        // It reports its failures itself.
        void run(loop.signal)
      }
      let isHeld = true
      return () => {
        if (!isHeld) return
        isHeld = false
        holders--
        if (holders > 0) return
        loop?.abort()
        loop = undefined
        if (current === undefined) registry.stop()
      }
    },
    refresh: poll,
    close() {
      closing.abort()
      loop?.abort()
      loop = undefined
      registry.stop()
    },
  }
}
