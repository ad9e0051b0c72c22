import { createConfigDocument } from '@sd/adapter-kit'
import { type ConfigDocument, SdError, settlesWithin, withTimeout } from '@sd/core'
import { isConfigError } from './failure.ts'
import type { Layer, LayerReader } from './layer.ts'
import type { ResolvedConfigOptions, ResolvedConfigSourceOptions } from './options.ts'
import type { RefusedSource, StaleSource } from './report.ts'
import type { StoredConfig } from './snapshot-file.ts'
import type { SourceFeed } from './source-feed.ts'

/** A source, and what of it counts. */
export interface SourceState {
  readonly options: ResolvedConfigSourceOptions
  readonly feed: SourceFeed
  readonly reader: LayerReader
  /** The document that counts. */
  accepted?: ConfigDocument
  /** Its layers. */
  layers: readonly Layer[]
  /** When the document that counts was written to the disk that it is from. */
  storedAt?: number | undefined
  /** The newest document, if it doesn't count. */
  refused?: { readonly document: ConfigDocument | undefined; readonly since: number; readonly error: SdError }
  /** Whether it was away when that was last told. */
  wasStale?: boolean
}

/** Documents to start with. */
export interface StartDocuments {
  /** The newest of each source. */
  readonly documents: ReadonlyMap<SourceState, ConfigDocument>
  /** The last good ones, in case the newest are refused. */
  readonly fallback: ReadonlyMap<SourceState, ConfigDocument> | undefined
}

/** Waits for the sources and decides what a start begins with. @throws SdError for a source that is away and has nothing on disk */
export async function chooseDocuments(
  states: readonly SourceState[],
  stored: StoredConfig | undefined,
  { startTimeoutMs, snapshot, signal, name }: ResolvedConfigOptions,
): Promise<StartDocuments> {
  const onDisk = new Map(stored?.documents.map((document) => [document.source, document]))
  const isOnDisk = ({ feed, options }: SourceState): boolean => options.snapshot && onDisk.has(feed.name)
  const waitMs = Math.min(startTimeoutMs, snapshot?.waitMs ?? 0)
  const settle = (list: readonly SourceState[]): Promise<unknown> => Promise.all(list.map(({ feed }) => feed.settled))
  await withTimeout({ what: `start of ${name}`, signal }, async () => {
    await settlesWithin(settle(states.filter(isOnDisk)), waitMs)
    const others = states.filter((state) => !isOnDisk(state))
    if (others.length > 0) await settlesWithin(settle(others), startTimeoutMs)
  })

  const documents = new Map<SourceState, ConfigDocument>()
  for (const state of states) {
    const { feed, options } = state
    const saved = isOnDisk(state) ? onDisk.get(feed.name) : undefined
    if (!feed.latest && saved) state.storedAt = stored?.savedAt
    const document = feed.latest ?? saved ?? (options.optional ? createConfigDocument(feed.name, []) : undefined)
    if (!document) throw away(feed, startTimeoutMs)
    documents.set(state, document)
  }
  const fallback = new Map(documents)
  for (const state of states.filter(isOnDisk)) fallback.set(state, onDisk.get(state.feed.name) as ConfigDocument)
  return { documents, fallback: stored && fallback }
}

function away({ name, stale }: SourceFeed, startTimeoutMs: number): SdError {
  if (!stale) return new SdError('SD_TIMEOUT', `${name} gave no configuration within ${startTimeoutMs} ms`)
  const { code, message, retryable } = stale.error
  return new SdError(code, `${name} gave no configuration: ${message}`, { cause: stale.error, retryable })
}

/** What is to say of a source that is away. */
export function staleSource({ feed, storedAt }: SourceState): StaleSource | undefined {
  const { name: source, stale, latest } = feed
  if (!stale && latest) return undefined
  const error = stale?.error ?? new SdError('SD_TIMEOUT', `${source} has not answered yet`)
  const isSnapshot = !latest && storedAt !== undefined
  return { source, since: (isSnapshot ? storedAt : stale?.since) ?? Date.now(), error, isSnapshot }
}

/** What is to say of a source whose newest content doesn't count. */
export function refusedSource({ feed, refused }: SourceState): RefusedSource | undefined {
  if (!refused) return undefined
  const { since, error } = refused
  const failures = isConfigError(error) ? error.failures : [{ source: feed.name, message: error.message }]
  return { source: feed.name, since, failures }
}
