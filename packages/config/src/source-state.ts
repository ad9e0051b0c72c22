import { createConfigDocument } from '@sd/adapter-kit'
import { type ConfigDocument, SdError, settlesWithin, withTimeout } from '@sd/core'
import { isConfigError } from './failure.ts'
import type { Layer, LayerReader } from './layer.ts'
import type { ResolvedConfigOptions, ResolvedConfigSourceOptions } from './options.ts'
import type { RefusedSource, StaleSource } from './report.ts'
import type { StoredConfig } from './snapshot-file.ts'
import type { SourceFeed } from './source-feed.ts'

/** A source with its content in effect. */
export interface SourceState {
  readonly options: ResolvedConfigSourceOptions
  readonly feed: SourceFeed
  readonly reader: LayerReader
  /** The document in effect. */
  accepted?: ConfigDocument
  /** Layers of the document in effect. */
  layers: readonly Layer[]
  /** If the document in effect is from the snapshot: when it was written. */
  storedAt?: number | undefined
  /** The newest document, if it was rejected. */
  refused?: { readonly document: ConfigDocument | undefined; readonly since: number; readonly error: SdError }
  /** Whether it was unreachable at the last report. */
  wasStale?: boolean
}

/** Documents to start with. */
export interface StartDocuments {
  /** The newest document of each source. */
  readonly documents: ReadonlyMap<SourceState, ConfigDocument>
  /** The last valid documents, in case the newest are rejected. */
  readonly fallback: ReadonlyMap<SourceState, ConfigDocument> | undefined
}

/** Waits for the sources and chooses the documents to start with. @throws SdError for an unreachable source without a snapshot */
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
    if (!document) throw unavailable(feed, startTimeoutMs)
    documents.set(state, document)
  }
  const fallback = new Map(documents)
  for (const state of states.filter(isOnDisk)) fallback.set(state, onDisk.get(state.feed.name) as ConfigDocument)
  return { documents, fallback: stored && fallback }
}

function unavailable({ name, stale }: SourceFeed, startTimeoutMs: number): SdError {
  if (!stale) return new SdError('SD_TIMEOUT', `${name} did not deliver a configuration within ${startTimeoutMs} ms`)
  const { code, message, retryable } = stale.error
  return new SdError(code, `${name} did not deliver a configuration: ${message}`, { cause: stale.error, retryable })
}

/** Describes an unreachable source; `undefined` if it is reachable. */
export function staleSource({ feed, storedAt }: SourceState): StaleSource | undefined {
  const { name: source, stale, latest } = feed
  if (!stale && latest) return undefined
  const error = stale?.error ?? new SdError('SD_TIMEOUT', `${source} has not responded yet`)
  const isSnapshot = !latest && storedAt !== undefined
  return { source, since: (isSnapshot ? storedAt : stale?.since) ?? Date.now(), error, isSnapshot }
}

/** Describes a source whose newest content was rejected; `undefined` if it was not. */
export function refusedSource({ feed, refused }: SourceState): RefusedSource | undefined {
  if (!refused) return undefined
  const { since, error } = refused
  const failures = isConfigError(error) ? error.failures : [{ source: feed.name, message: error.message }]
  return { source: feed.name, since, failures }
}
