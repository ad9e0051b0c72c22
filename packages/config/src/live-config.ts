import { type ConfigDocument, type OperationOptions, type SdError, toSdError } from '@sd/core'
import { type BuiltConfig, buildInTime } from './build.ts'
import { type ConfigCheck, type ConfigCheckOptions, checkArguments, withTexts } from './check.ts'
import { type CommitContext, type CommittedConfig, createCommittedConfig, type LiveConfigVersion } from './committed-config.ts'
import type { ConfigTree } from './config-tree.ts'
import { createLayerReader, type Layer, plainLayer } from './layer.ts'
import type { ResolvedConfigOptions } from './options.ts'
import { createRefusals, type Refusals } from './refusals.ts'
import type { ConfigStatus } from './report.ts'
import { createSnapshotFile, type SnapshotFile } from './snapshot-file.ts'
import { followSource, type SourceFeed } from './source-feed.ts'
import { chooseDocuments, refusedSource, type SourceState, staleSource } from './source-state.ts'
import { changedPaths, shareTree } from './tree.ts'
import { createUpdateQueue, type UpdateQueue } from './update-queue.ts'

/** A configuration that follows its sources. While new content is refused, the last valid configuration stays in effect. */
export interface LiveConfig {
  /** The configuration in effect. */
  readonly current: LiveConfigVersion
  /** Names of its sources, lowest precedence first. */
  readonly sources: readonly string[]
  /** Its state. */
  status(): ConfigStatus
  /** Reads all sources now and decrypts everything again. @throws SdError, a ConfigError if the content is rejected */
  reload(options: OperationOptions): Promise<void>
  /** Replaces the overrides with the result of `change`. @throws ConfigError; nothing has changed then */
  override(change: (overrides: ConfigTree) => ConfigTree): Promise<void>
  /** Builds the configuration with other texts, without putting it into effect. @throws ConfigError with the reasons for a rejection */
  check(texts: Readonly<Record<string, string | null>>, options: ConfigCheckOptions): Promise<ConfigCheck>
  /** Stops following. */
  close(): Promise<void>
}

/** New documents, by source. */
type Documents = ReadonlyMap<SourceState, ConfigDocument>

/** Starts a configuration. @throws SdError if a source is unreachable or rejected and no snapshot replaces it */
export async function startLiveConfig(settings: ResolvedConfigOptions, context: CommitContext): Promise<LiveConfig> {
  const config = new FollowedConfig(settings, context)
  await config.start()
  return config
}

class FollowedConfig implements LiveConfig {
  readonly #settings: ResolvedConfigOptions
  readonly #context: CommitContext
  readonly #states: readonly SourceState[]
  readonly #defaults: Layer
  readonly #committed: CommittedConfig
  readonly #refusals: Refusals
  readonly #queue: UpdateQueue = createUpdateQueue()
  readonly #closing = new AbortController()
  readonly #file: SnapshotFile | undefined
  #overrides: ConfigTree = {}
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor(settings: ResolvedConfigOptions, context: CommitContext) {
    this.#settings = settings
    this.#context = context
    this.#file = settings.snapshot && createSnapshotFile(settings.snapshot.path)
    this.#defaults = plainLayer('defaults', settings.defaults)
    this.#committed = createCommittedConfig(settings.name, context)
    this.#refusals = createRefusals(context.report, () => void this.#queue.run(() => this.#update()))
    this.#states = settings.sources.map((options): SourceState => {
      const feed = followSource(options, (changed) => this.#onFeed(changed))
      return { options, feed, reader: createLayerReader(options, settings.selectEntries, settings), layers: [] }
    })
  }

  get current(): LiveConfigVersion {
    return this.#committed.current
  }

  get sources(): readonly string[] {
    return this.#states.map(({ feed }) => feed.name)
  }

  status(): ConfigStatus {
    const { version, updatedAt } = this.current
    const stale = this.#states.flatMap((state) => staleSource(state) ?? [])
    const refused = this.#states.flatMap((state) => refusedSource(state) ?? [])
    return { version, updatedAt, stale, refused }
  }

  async start(): Promise<void> {
    try {
      const stored = await this.#file?.load().catch((error: SdError) => void this.#context.report({ kind: 'error', error }))
      const { documents, fallback } = await chooseDocuments(this.#states, stored, this.#settings)
      await this.#queue.run(async () => {
        try {
          await this.#take(documents)
        } catch (error) {
          if (!fallback) throw error
          await this.#take(fallback).catch(() => {
            throw error
          })
        }
      })
    } catch (error) {
      await this.close()
      // A caller that created the sources in its options has no other reference to them.
      if (this.#settings.closeSources !== 'never') await this.#closeSources()
      throw error
    }
    for (const state of this.#states) state.wasStale = staleSource(state) !== undefined
    await this.#queue.run(() => this.#update())
  }

  async reload({ signal }: OperationOptions): Promise<void> {
    const loads = await Promise.allSettled(this.#states.map(({ feed }) => feed.load(signal)))
    await this.#queue.run(async () => {
      for (const { reader } of this.#states) reader.forget()
      const everything = this.#states.flatMap((state): [SourceState, ConfigDocument][] => {
        const document = state.feed.latest ?? state.accepted
        return document ? [[state, document]] : []
      })
      await this.#take(new Map(everything)).catch(async (error: unknown) => {
        await this.#update()
        throw error
      })
    })
    for (const load of loads) if (load.status === 'rejected') throw load.reason
  }

  override(change: (overrides: ConfigTree) => ConfigTree): Promise<void> {
    return this.#queue.run(() => this.#take(new Map(), change(this.#overrides)))
  }

  async check(texts: Readonly<Record<string, string | null>>, options: ConfigCheckOptions): Promise<ConfigCheck> {
    const name = checkArguments(texts, options, this.sources)
    const state = this.#states.find(({ feed }) => feed.name === name) as SourceState
    return this.#queue.run(async () => {
      const document = withTexts(name, state.feed.latest ?? state.accepted, texts)
      const closing = this.#closing.signal
      const signal = options.signal ? AbortSignal.any([closing, options.signal]) : closing
      const { built } = await this.#build(new Map([[state, document]]), this.#overrides, signal)
      const { value } = this.current
      return { changed: changedPaths(value, shareTree(value, built.value)) }
    })
  }

  async close(): Promise<void> {
    this.#closing.abort()
    clearTimeout(this.#timer)
    this.#refusals.close()
    for (const { feed } of this.#states) feed.close()
    await this.#queue.idle()
    await this.#file?.flush()
    if (this.#settings.closeSources === 'always') await this.#closeSources()
  }

  async #closeSources(): Promise<void> {
    await Promise.allSettled(this.#settings.sources.map(({ source }) => source.close()))
  }

  #onFeed(feed: SourceFeed): void {
    // The result of the start reports what happens during the start.
    if (this.current.version === 0) return
    const { report } = this.#context
    const { name: source, stale } = feed
    const state = this.#states.find((candidate) => candidate.feed === feed)
    if (stale) report({ kind: 'stale', source, error: stale.error })
    else if (state?.wasStale) report({ kind: 'recovered', source })
    if (state) state.wasStale = stale !== undefined
    // Later changes join the pending update, so that a stream of changes can't delay it forever.
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      void this.#queue.run(() => this.#update())
    }, this.#settings.coalesceMs)
  }

  /** Puts all new documents into effect, or only the valid ones if that fails. */
  async #update(): Promise<void> {
    let waiting = this.#pending()
    while (waiting.length > 0 && !this.#closing.signal.aborted) {
      const error = await this.#attempt(waiting)
      if (!error) return
      const [only, another] = waiting
      if (only && !another) return this.#refuse(only, error)
      for (const state of waiting) {
        const ownError = await this.#attempt([state])
        if (ownError) this.#refuse(state, ownError)
      }
      const left = this.#pending()
      // A document that depends on a change of another one can become valid once that change is in effect.
      if (left.length === waiting.length) return
      waiting = left
    }
  }

  #pending(): readonly SourceState[] {
    return this.#states.filter(({ feed, accepted }) => feed.latest && feed.latest !== accepted)
  }

  #refuse(state: SourceState, error: SdError): void {
    if (!this.#closing.signal.aborted) this.#refusals.add(state, error)
  }

  /** Puts the newest documents of some sources into effect. @returns the error on failure */
  async #attempt(changed: readonly SourceState[]): Promise<SdError | undefined> {
    try {
      await this.#take(new Map(changed.map((state) => [state, state.feed.latest as ConfigDocument])))
      return undefined
    } catch (error) {
      return error as SdError
    }
  }

  /** Builds a version and puts it into effect. @throws SdError; nothing has changed then */
  async #take(documents: Documents, overrides: ConfigTree = this.#overrides): Promise<void> {
    const startedAt = performance.now()
    try {
      const { built, layers } = await this.#build(documents, overrides, this.#closing.signal)
      for (const [state, document] of documents) {
        state.accepted = document
        state.layers = layers.get(state) ?? []
        this.#refusals.remove(state)
      }
      this.#overrides = overrides
      this.#committed.commit(built, startedAt)
      if (documents.size > 0) this.#save()
    } catch (caught) {
      const error = toSdError(caught, 'SD_INVALID', `update of ${this.#settings.name}`)
      if (!this.#closing.signal.aborted) this.#committed.publishFailure(error, startedAt)
      throw error
    }
  }

  /** Builds a configuration from some new documents and the current ones of the other sources. @throws SdError */
  async #build(
    documents: Documents,
    overrides: ConfigTree,
    buildSignal: AbortSignal,
  ): Promise<{ readonly built: BuiltConfig; readonly layers: ReadonlyMap<SourceState, readonly Layer[]> }> {
    const layers = new Map<SourceState, readonly Layer[]>()
    const readLayers = async (signal: AbortSignal): Promise<readonly Layer[]> => {
      await Promise.all(
        this.#states.map(async (state) => {
          const document = documents.get(state)
          layers.set(state, document ? await state.reader.read(document, signal) : state.layers)
        }),
      )
      const ofSources = this.#states.flatMap((state) => layers.get(state) ?? [])
      return [this.#defaults, ...ofSources, plainLayer('overrides', overrides)]
    }
    return { built: await buildInTime(readLayers, this.#settings, buildSignal), layers }
  }

  #save(): void {
    // An optional source that never had content has nothing worth keeping.
    const documents = this.#states.flatMap(({ options, accepted, feed, storedAt }) =>
      options.snapshot && accepted && (feed.latest ?? storedAt) ? [accepted] : [],
    )
    const { report } = this.#context
    this.#file?.save({ savedAt: Date.now(), documents }).catch((error: SdError) => report({ kind: 'error', error }))
  }
}
