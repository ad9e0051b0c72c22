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

/** State of a source that is followed. */
export interface SourceFeed {
  /** Name of the source. */
  readonly name: string
  /** Its newest document. */
  readonly latest: ConfigDocument | undefined
  /** Set while the source is unreachable, with time and reason. */
  readonly stale: Staleness | undefined
  /** Resolves when waiting longer has no use: the source delivered its content or denied access. */
  readonly settled: Promise<void>
  /** Reads the source now. @throws SdError */
  load(signal: AbortSignal | undefined): Promise<void>
  /** Stops following the source. */
  close(): void
}

// Access comes back only when someone changes permissions, so retry slowly.
const refusedBackoff = { baseMs: 1_000, maxMs: 30_000 }

/** Follows a source. @param onChange called when its document or its staleness has changed */
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
    // Equal documents keep their identity, loaded or watched, so that a rejected text is not rejected again.
    const kept = createConfigDocument(name, document.entries, latest)
    if (signal.aborted || (kept === latest && !stale)) return
    latest = kept
    stale = undefined
    settled.resolve()
    onChange(feed)
  }
  async function follow(): Promise<void> {
    for await (const { value, stale: lost } of source.watch({ signal })) {
      // A value that comes with staleness is the one from before the loss.
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
      // A document that the watch delivered during the load is newer, or the same.
      if (latest === before) receive(document)
    },
    close: () => controller.abort(),
  }
  void run()
  return feed
}
