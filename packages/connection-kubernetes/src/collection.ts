import { createBackoff, SdError, sleep, withTimeout } from '@sd/core'
import { EXPIRED, expired, toStatusError } from './api-errors.ts'
import type { ApiEvent } from './api-watch.ts'
import type { KubernetesConnection } from './kubernetes-connection.ts'

/** What every object of the API has. */
export interface KubeObject {
  /** Kubernetes' own `ObjectMeta`, as far as it is used. */
  readonly metadata: {
    /** Unique among the objects of one kind in its namespace. */
    readonly name: string
    /** Another one if the object was deleted and made again. */
    readonly uid?: string
    /** Another one after every change of the object. */
    readonly resourceVersion?: string
    /** RFC 3339. */
    readonly creationTimestamp?: string
    /** What selectors look at. */
    readonly labels?: Readonly<Record<string, string>>
    /** Free texts, together at most 256 KiB. */
    readonly annotations?: Readonly<Record<string, string>>
    /** Who changed which fields. */
    readonly managedFields?: readonly { readonly time?: string }[]
  }
}

/** Some objects of one kind in one namespace. */
export interface Collection {
  /** Path of the collection. */
  readonly path: string
  /** Only objects with these labels. @default all */
  readonly labelSelector?: string | undefined
  /** Only objects with these fields, such as `metadata.name=orders` for a single one. @default all */
  readonly fieldSelector?: string | undefined
}

/** What a collection held at one moment. */
export interface Listing<T> {
  /** The objects. */
  readonly items: readonly T[]
  /** Mark of that moment; a watch goes on from there. */
  readonly version: string
  /** The server's clock, in epoch milliseconds, where it told. */
  readonly serverTime: number | undefined
  /** How long the slowest answer took, in milliseconds. */
  readonly tookMs: number
}

/** Options of {@link followCollection}. */
export interface KubernetesFollowOptions<T> extends Collection {
  /** Ends it. */
  readonly signal: AbortSignal
  /** Limit of one request, in milliseconds. */
  readonly operationTimeoutMs: number
  /** Called with everything, at first and whenever it had to be listed again. */
  readonly onList: (listing: Listing<T>) => void
  /** Called for an object that is there, or no longer there. */
  readonly onChange: (object: T, isThere: boolean) => void
}

interface ListPage<T> {
  readonly metadata?: { readonly resourceVersion?: string; readonly continue?: string }
  readonly items?: readonly T[] | null
}

const pageSize = 500

/** The server ends a watch after about so long, so that connections move to other API servers; spread, so that clients don't come together. */
const watchSeconds = 300

/** Reads a collection, page by page. @param limit most objects of one page; with less than 500 there is only one */
export async function listCollection<T extends KubeObject>(
  connection: KubernetesConnection,
  which: Collection,
  signal: AbortSignal,
  limit: number = pageSize,
): Promise<Listing<T>> {
  const { path } = which
  const items: T[] = []
  let tookMs = 0
  let next: string | undefined
  for (;;) {
    const query = { limit: String(limit), ...selectorsOf(which), ...(next && { continue: next }) }
    const answer = await connection.request({ method: 'GET', path, query, signal })
    const page = answer.body as ListPage<T>
    items.push(...(page.items ?? []))
    tookMs = Math.max(tookMs, answer.tookMs)
    next = page.metadata?.continue
    if (!next || limit < pageSize) {
      if (items.length === 0) await checkNamespace(connection, path, signal)
      return { items, version: page.metadata?.resourceVersion ?? '', serverTime: answer.serverTime, tookMs }
    }
  }
}

/** How long an answer on a namespace is believed, in milliseconds. */
const namespaceMs = 30_000
const inNamespace = /^\/apis?\/(?:[^/]+\/)?[^/]+\/namespaces\/([^/]+)\/[^/]+$/
/** When namespaces were last seen, by `performance.now()`. */
const seenAt = new WeakMap<KubernetesConnection, Map<string, number>>()

/**
 * The API lists nothing, instead of refusing, in a namespace that does not exist: that a collection is empty is believed only of one that does,
 * or that may not be looked at.
 *
 * @throws SdError `SD_NOT_FOUND`, retryable: it may come
 */
async function checkNamespace(connection: KubernetesConnection, path: string, signal: AbortSignal): Promise<void> {
  const [, namespace] = inNamespace.exec(path) ?? []
  const known = seenAt.get(connection) ?? new Map<string, number>()
  seenAt.set(connection, known)
  if (namespace === undefined || performance.now() - (known.get(namespace) ?? Number.NEGATIVE_INFINITY) < namespaceMs) return
  try {
    await connection.request({ method: 'GET', path: `/api/v1/namespaces/${namespace}`, signal })
  } catch (error) {
    if (!(error instanceof SdError) || (error.code !== 'SD_DENIED' && error.code !== 'SD_NOT_FOUND')) throw error
    if (error.field === 'namespace')
      throw new SdError(error.code, error.message, { field: 'namespace', retryable: true, cause: error })
  }
  known.set(namespace, performance.now())
}

/**
 * Lists, then watches from there until `signal` fires. A watch that ends goes on where it was, after a look whether the server still knows
 * that place; if it does not, everything is listed again.
 *
 * @throws SdError when the server can't be reached or refuses
 */
export async function followCollection<T extends KubeObject>(
  connection: KubernetesConnection,
  options: KubernetesFollowOptions<T>,
): Promise<void> {
  const { signal, operationTimeoutMs: timeoutMs, onList } = options
  const backoff = createBackoff({ baseMs: 200, maxMs: 4_000 })
  while (!signal.aborted) {
    const listing = await withTimeout({ timeoutMs, what: `listing ${options.path}`, signal }, (limit) =>
      listCollection<T>(connection, options, limit),
    )
    onList(listing)
    let version: string | undefined = listing.version
    while (version !== undefined && !signal.aborted) {
      const startedAt = performance.now()
      version = await watchFrom(connection, version, options)
      if (signal.aborted) return
      if (performance.now() - startedAt > timeoutMs) backoff.reset()
      await sleep(backoff.next(), signal, true)
      if (version !== undefined && !(await isKnown(connection, version, options))) version = undefined
    }
  }
}

function selectorsOf({ labelSelector, fieldSelector }: Omit<Collection, 'path'>): Readonly<Record<string, string>> {
  return { ...(labelSelector && { labelSelector }), ...(fieldSelector && { fieldSelector }) }
}

/** One watch. @returns where to go on, or `undefined` if that place is no longer known */
async function watchFrom<T extends KubeObject>(
  connection: KubernetesConnection,
  from: string,
  options: KubernetesFollowOptions<T>,
): Promise<string | undefined> {
  const { path, signal, onChange } = options
  let version: string | undefined = from
  function onEvent({ type, object }: ApiEvent): void {
    if (type === 'ERROR') throw readErrorEvent(object, path)
    const changed = object as T
    const next = changed.metadata.resourceVersion
    if (next !== undefined) version = next
    if (type !== 'BOOKMARK') onChange(changed, type !== 'DELETED')
  }
  const query = {
    resourceVersion: from,
    allowWatchBookmarks: 'true',
    timeoutSeconds: String(Math.round(watchSeconds * (1 + Math.random()))),
    ...selectorsOf(options),
  }
  try {
    await connection.watch({ path, query, onEvent, signal })
    return version
  } catch (error) {
    if (error instanceof SdError && error.code === EXPIRED) return undefined
    throw error
  }
}

function readErrorEvent(object: unknown, path: string): SdError {
  const { code } = (object ?? {}) as { code?: unknown }
  const what = `watching ${path}`
  return code === 410 ? expired(what) : toStatusError(typeof code === 'number' ? code : 500, JSON.stringify(object), what)
}

/** A server that came back without its data counts from the beginning: a watch from a place that is yet to come would be silent. */
async function isKnown<T extends KubeObject>(
  connection: KubernetesConnection,
  version: string,
  options: KubernetesFollowOptions<T>,
): Promise<boolean> {
  const { operationTimeoutMs: timeoutMs, signal, path } = options
  const now = await withTimeout({ timeoutMs, what: `looking at ${path}`, signal }, (limit) =>
    listCollection(connection, options, limit, 1),
  )
  const isCount = /^\d+$/
  return isCount.test(version) && isCount.test(now.version) && BigInt(version) <= BigInt(now.version)
}
