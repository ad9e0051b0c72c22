import {
  type ConfigDocument,
  configUpdateChannel,
  createBackoff,
  delayBeforeRetry,
  type OperationOptions,
  publishTelemetry,
  type SdError,
  toSdError,
} from '@sd/core'
import { type BuiltConfig, buildInTime } from './build.ts'
import { type ConfigCheck, type ConfigCheckOptions, checkArguments, withTexts } from './check.ts'
import type { ConfigTree } from './config-tree.ts'
import { createLayerReader, type Layer, plainLayer } from './layer.ts'
import { mergeLayers } from './merge-layers.ts'
import type { ConfigSettings } from './options.ts'
import type { ConfigReport, ConfigStatus } from './report.ts'
import { createSnapshotFile } from './snapshot-file.ts'
import { followSource, type SourceFeed } from './source-feed.ts'
import { chooseDocuments, refusedSource, type SourceState, staleSource } from './source-state.ts'
import { changedPaths, shareTree } from './tree.ts'

/** A configuration that counts, with what it was made of. */
export interface ConfigVersion extends BuiltConfig {
  /** Its number, from 1. */
  readonly version: number
  /** When it was taken over, in Unix milliseconds. */
  readonly updatedAt: number
}

/** A configuration that follows its sources: whatever is refused, what counted before counts on. */
export interface LiveConfig {
  /** What counts. */
  readonly current: ConfigVersion
  /** How it is. */
  status(): ConfigStatus
  /** Asks all sources now, and decrypts everything anew. @throws SdError, a ConfigError if the content is refused */
  reload(options: OperationOptions): Promise<void>
  /** Replaces the overrides by what `change` makes of them. @throws ConfigError; nothing has changed then */
  override(change: (overrides: ConfigTree) => ConfigTree): Promise<void>
  /** Builds what would be in effect with other texts, which changes nothing. @throws ConfigError that says why it would be refused */
  check(texts: Readonly<Record<string, string | null>>, options: ConfigCheckOptions): Promise<ConfigCheck>
  /** Stops following. */
  close(): Promise<void>
}

/** What goes with {@link startLiveConfig}. */
export interface LiveConfigContext {
  /** Told of every version after the first, once it counts. */
  readonly onVersion: (next: ConfigVersion, previous: ConfigVersion) => void
  /** Told what happens. */
  readonly report: (report: ConfigReport) => void
}

const nothing: BuiltConfig = { value: undefined, layers: mergeLayers([]), isSecret: () => false, redact: (text) => text }

/** Starts a configuration. @throws SdError when a source is away or refused, and no snapshot stands in for it */
export async function startLiveConfig(settings: ConfigSettings, context: LiveConfigContext): Promise<LiveConfig> {
  const { name, selectEntries, coalesceMs } = settings
  const { report, onVersion } = context
  const controller = new AbortController()
  const file = settings.snapshot && createSnapshotFile(settings.snapshot.path)
  const retries = createBackoff({ baseMs: 1_000, maxMs: 30_000 })
  const defaults = plainLayer('defaults', settings.defaults)
  let overrides: ConfigTree = {}
  let current: ConfigVersion = { ...nothing, version: 0, updatedAt: 0 }
  let timer: ReturnType<typeof setTimeout> | undefined
  let retryTimer: ReturnType<typeof setTimeout> | undefined
  let tail: Promise<unknown> = Promise.resolve()

  const states = settings.sources.map((options): SourceState => {
    const feed = followSource(options, onFeed)
    return { options, feed, reader: createLayerReader(options, selectEntries, settings), layers: [] }
  })

  function onFeed(feed: SourceFeed): void {
    // What happens during the start is told by how the start ends.
    if (current.version === 0) return
    const { name: source, stale } = feed
    const state = states.find((candidate) => candidate.feed === feed)
    if (stale) report({ kind: 'stale', source, error: stale.error })
    else if (state?.wasStale) report({ kind: 'recovered', source })
    if (state) state.wasStale = stale !== undefined
    // Later changes join those that wait already, so that a stream of them can't put off an update.
    timer ??= setTimeout(() => {
      timer = undefined
      void exclusively(update)
    }, coalesceMs)
  }

  function exclusively<T>(run: () => Promise<T>): Promise<T> {
    const result = tail.then(run)
    tail = result.catch(() => undefined)
    return result
  }

  /** Takes over everything that is new, or else whichever of it is good. */
  async function update(): Promise<void> {
    let waiting = pending()
    while (waiting.length > 0 && !controller.signal.aborted) {
      const error = await attempt(waiting)
      if (!error) return
      const [only, another] = waiting
      if (only && !another) return refuse(only, error)
      for (const state of waiting) {
        const ownError = await attempt([state])
        if (ownError) refuse(state, ownError)
      }
      const left = pending()
      // What needs another's change is good once that one counts.
      if (left.length === waiting.length) return
      waiting = left
    }
  }

  function pending(): readonly SourceState[] {
    return states.filter(({ feed, accepted }) => feed.latest && feed.latest !== accepted)
  }

  /** Takes over the newest documents of some sources. @returns why not */
  async function attempt(changed: readonly SourceState[]): Promise<SdError | undefined> {
    try {
      await take(new Map(changed.map((state) => [state, state.feed.latest as ConfigDocument])))
      return undefined
    } catch (error) {
      return error as SdError
    }
  }

  /** Builds a configuration of some new documents, and of what the other sources have. @throws SdError */
  async function build(
    documents: ReadonlyMap<SourceState, ConfigDocument>,
    nextOverrides: ConfigTree,
    buildSignal: AbortSignal,
  ): Promise<{ readonly built: BuiltConfig; readonly layers: ReadonlyMap<SourceState, readonly Layer[]> }> {
    const layers = new Map<SourceState, readonly Layer[]>()
    async function readLayers(signal: AbortSignal): Promise<readonly Layer[]> {
      await Promise.all(
        states.map(async (state) => {
          const document = documents.get(state)
          layers.set(state, document ? await state.reader.read(document, signal) : state.layers)
        }),
      )
      const ofSources = states.flatMap((state) => layers.get(state) ?? [])
      return [defaults, ...ofSources, plainLayer('overrides', nextOverrides)]
    }
    return { built: await buildInTime(readLayers, settings, buildSignal), layers }
  }

  async function check(texts: Readonly<Record<string, string | null>>, options: ConfigCheckOptions): Promise<ConfigCheck> {
    const name = checkArguments(
      texts,
      options,
      states.map(({ feed }) => feed.name),
    )
    const state = states.find(({ feed }) => feed.name === name) as SourceState
    return exclusively(async () => {
      const document = withTexts(name, state.feed.latest ?? state.accepted, texts)
      const signal = options.signal ? AbortSignal.any([controller.signal, options.signal]) : controller.signal
      const { built } = await build(new Map([[state, document]]), overrides, signal)
      return { changed: changedPaths(current.value, shareTree(current.value, built.value)) }
    })
  }

  /** Builds a version and makes it count. @throws SdError; nothing has changed then */
  async function take(documents: ReadonlyMap<SourceState, ConfigDocument>, nextOverrides: ConfigTree = overrides): Promise<void> {
    const startedAt = performance.now()
    try {
      const { built, layers } = await build(documents, nextOverrides, controller.signal)
      for (const [state, document] of documents) {
        state.accepted = document
        state.layers = layers.get(state) ?? []
        recover(state)
      }
      overrides = nextOverrides
      commit(built, startedAt)
      if (documents.size > 0) save()
    } catch (caught) {
      const error = toSdError(caught, 'SD_INVALID', `update of ${name}`)
      if (controller.signal.aborted) throw error
      publishTelemetry(configUpdateChannel, {
        config: name,
        version: current.version,
        changed: [],
        durationMs: performance.now() - startedAt,
        error,
      })
      throw error
    }
  }

  function commit(built: BuiltConfig, startedAt: number): void {
    const previous = current
    const value = shareTree(previous.value, built.value)
    if (value === previous.value && previous.version > 0) {
      current = { ...previous, layers: built.layers, isSecret: built.isSecret, redact: built.redact }
    } else {
      current = { ...built, value, version: previous.version + 1, updatedAt: Date.now() }
      const changed = changedPaths(previous.value, value)
      const { version } = current
      if (previous.version > 0) onVersion(current, previous)
      publishTelemetry(configUpdateChannel, { config: name, version, changed, durationMs: performance.now() - startedAt })
      report({ kind: 'updated', version, changed })
    }
  }

  function save(): void {
    // An optional source that was never there has nothing worth keeping.
    const documents = states.flatMap(({ options, accepted, feed, storedAt }) =>
      options.snapshot && accepted && (feed.latest ?? storedAt) ? [accepted] : [],
    )
    file?.save({ savedAt: Date.now(), documents }).catch((error: SdError) => report({ kind: 'error', error }))
  }

  function recover(state: SourceState): void {
    if (!state.refused) return
    delete state.refused
    retries.reset()
    report({ kind: 'recovered', source: state.feed.name })
  }

  function refuse(state: SourceState, error: SdError): void {
    if (controller.signal.aborted) return
    const { feed, refused } = state
    state.refused = { document: feed.latest, sinceMs: refused?.sinceMs ?? Date.now(), error }
    if (refused?.document !== feed.latest) report({ kind: 'refused', source: feed.name, error })
    if (!error.retryable) return
    // Such as that of a key service that is away: nothing will tell when it is back.
    clearTimeout(retryTimer)
    retryTimer = setTimeout(() => void exclusively(update), delayBeforeRetry(retries, error))
    retryTimer.unref?.()
  }

  async function close(): Promise<void> {
    controller.abort()
    clearTimeout(timer)
    clearTimeout(retryTimer)
    for (const { feed } of states) feed.close()
    await tail
    await file?.flush()
    if (settings.closeSources === 'always') await closeSources()
  }

  async function closeSources(): Promise<void> {
    await Promise.allSettled(settings.sources.map(({ source }) => source.close()))
  }

  try {
    const stored = await file?.load().catch((error: SdError) => void report({ kind: 'error', error }))
    const { documents, fallback } = await chooseDocuments(states, stored, settings)
    await exclusively(async () => {
      try {
        await take(documents)
      } catch (error) {
        if (!fallback) throw error
        await take(fallback).catch(() => {
          throw error
        })
      }
    })
  } catch (error) {
    await close()
    // A caller that made them in place has nothing else that leads to them.
    if (settings.closeSources !== 'never') await closeSources()
    throw error
  }
  for (const state of states) state.wasStale = staleSource(state) !== undefined
  await exclusively(update)

  return {
    get current() {
      return current
    },
    status() {
      const { version, updatedAt } = current
      const stale = states.flatMap((state) => staleSource(state) ?? [])
      const refused = states.flatMap((state) => refusedSource(state) ?? [])
      return { version, updatedAt, stale, refused }
    },
    async reload({ signal }) {
      const loads = await Promise.allSettled(states.map(({ feed }) => feed.load(signal)))
      await exclusively(async () => {
        for (const { reader } of states) reader.forget()
        const everything = states.flatMap((state): [SourceState, ConfigDocument][] => {
          const document = state.feed.latest ?? state.accepted
          return document ? [[state, document]] : []
        })
        await take(new Map(everything)).catch(async (error: unknown) => {
          await update()
          throw error
        })
      })
      for (const load of loads) if (load.status === 'rejected') throw load.reason
    },
    check,
    override: (change) => exclusively(() => take(new Map(), change(overrides))),
    close,
  }
}
