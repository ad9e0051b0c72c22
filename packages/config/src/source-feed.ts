import { createConfigDocument } from '@sd/adapter-kit'
import {
  type ConfigDocument,
  closedError,
  createBackoff,
  delayBeforeRetry,
  type SdError,
  type Staleness,
  sleep,
  toSdError,
} from '@sd/core'
import type { ResolvedConfigSourceOptions } from './options.ts'

/** What is known of a source. */
export interface SourceFeed {
  /** Name of the source. */
  readonly name: string
  /** Its newest document. */
  readonly latest: ConfigDocument | undefined
  /** Since when it is away, and why. */
  readonly stale: Staleness | undefined
  /** Resolves when it said something that waiting doesn't better: its content, or that it refuses. */
  readonly settled: Promise<void>
  /** Asks it now. @throws SdError */
  load(signal: AbortSignal | undefined): Promise<void>
  /** Ends following it. */
  close(): void
}

// Whoever was refused is let in by somebody who changes something: no haste.
const refusedBackoff = { baseMs: 1_000, maxMs: 30_000 }

/** Follows a source. @param onChange told when its document or its staleness is another one */
export function followSource({ source }: ResolvedConfigSourceOptions, onChange: (feed: SourceFeed) => void): SourceFeed {
  const { name } = source
  const controller = new AbortController()
  const { signal } = controller
  const settled = Promise.withResolvers<void>()
  let latest: ConfigDocument | undefined
  let stale: Staleness | undefined

  function lose(error: SdError): void {
    if (signal.aborted || stale) return
    stale = { since: Date.now(), error }
    onChange(feed)
  }
  function receive(document: ConfigDocument): void {
    // Loaded or watched: what says the same is the same, so that a refused text is not refused anew.
    const kept = createConfigDocument(name, document.entries, latest)
    if (signal.aborted || (kept === latest && !stale)) return
    latest = kept
    stale = undefined
    settled.resolve()
    onChange(feed)
  }
  async function follow(): Promise<void> {
    for await (const { value, stale: lost } of source.watch({ signal })) {
      // What comes with a loss is what was there before it.
      if (value && (!lost || !latest)) receive(value)
      if (lost) lose(lost.error)
    }
  }
  async function run(): Promise<void> {
    const backoff = createBackoff(refusedBackoff)
    while (!signal.aborted) {
      const before = latest
      const error = await follow().then(
        () => closedError(name),
        (caught: unknown) => toSdError(caught, 'SD_UNAVAILABLE', `following ${name}`),
      )
      lose(error)
      settled.resolve()
      if (error.code === 'SD_CLOSED') return
      if (latest !== before) backoff.reset()
      await sleep(delayBeforeRetry(backoff, error), signal).catch(() => undefined)
    }
  }

  const feed: SourceFeed = {
    name,
    get latest() {
      return latest
    },
    get stale() {
      return stale
    },
    settled: settled.promise,
    async load(loadSignal) {
      const before = latest
      const document = await source.load({ ...(loadSignal && { signal: loadSignal }) })
      // What the watch told meanwhile is newer, or the same.
      if (latest === before) receive(document)
    },
    close: () => controller.abort(),
  }
  void run()
  return feed
}
