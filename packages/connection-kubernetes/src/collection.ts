import { createBackoff, SdError, sleep, withTimeout } from '@sd/core'
import { EXPIRED, expired, toStatusError } from './api-errors.ts'
import type { ApiEvent } from './api-messages.ts'
import type { KubernetesConnection } from './kubernetes-connection.ts'

/** The common part of all objects of the API. */
export interface KubeObject {
  /** The used part of Kubernetes' `ObjectMeta`. */
  readonly metadata: {
    /** Unique among the objects of one kind in its namespace. */
    readonly name: string
    /** Differs if the object was deleted and created again. */
    readonly uid?: string
    /** Differs after every change of the object. */
    readonly resourceVersion?: string
    /** RFC 3339. */
    readonly creationTimestamp?: string
    /** Labels, for selectors. */
    readonly labels?: Readonly<Record<string, string>>
    /** Annotations, together at most 256 KiB. */
    readonly annotations?: Readonly<Record<string, string>>
    /** Managers of fields, with the time of their last change. */
    readonly managedFields?: readonly { readonly time?: string }[]
  }
}

/** Objects of one kind in one namespace. */
export interface Collection {
  /** Path of the collection. */
  readonly path: string
  /** Only objects with these labels. @default all */
  readonly labelSelector?: string | undefined
  /** Only objects with these fields, such as `metadata.name=orders` for a single one. @default all */
  readonly fieldSelector?: string | undefined
}

/** Objects of a collection at one point in time. */
export interface Listing<T> {
  /** The objects. */
  readonly items: readonly T[]
  /** Version of the list, from which a watch continues. */
  readonly version: string
  /** The server's clock, in epoch milliseconds, if it was sent. */
  readonly serverTime: number | undefined
  /** Duration of the slowest response, in milliseconds. */
  readonly tookMs: number
}

/** Options of {@link followCollection}. */
export interface KubernetesFollowOptions<T> extends Collection {
  /** Ends following when it aborts. */
  readonly signal: AbortSignal
  /** Time limit of one request, in milliseconds. */
  readonly operationTimeoutMs: number
  /** Called with all objects, at first and whenever they are listed again. */
  readonly onList: (listing: Listing<T>) => void
  /** Called for a changed object; `isThere` is false if it was deleted. */
  readonly onChange: (object: T, isThere: boolean) => void
}

interface ListPage<T> {
  readonly metadata?: { readonly resourceVersion?: string; readonly continue?: string }
  readonly items?: readonly T[] | null
}

const pageSize = 500

/**
 * The server ends a watch after about this time, so that connections move to other API servers. It has jitter, to
 * spread clients.
 */
const watchSeconds = 300

/** Reads a collection by pages. @param limit maximum number of objects per page; below 500 only one page is read */
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
    const response = await connection.request({ method: 'GET', path, query, signal })
    const page = response.body as ListPage<T>
    items.push(...(page.items ?? []))
    tookMs = Math.max(tookMs, response.tookMs)
    next = page.metadata?.continue
    if (!next || limit < pageSize) {
      if (items.length === 0) await checkNamespace(connection, path, signal)
      return { items, version: page.metadata?.resourceVersion ?? '', serverTime: response.serverTime, tookMs }
    }
  }
}

/** How long the existence of a namespace is cached, in milliseconds. */
const namespaceMs = 30_000
const inNamespace = /^\/apis?\/(?:[^/]+\/)?[^/]+\/namespaces\/([^/]+)\/[^/]+$/
/** When namespaces were last seen, by `performance.now()`. */
const seenAt = new WeakMap<KubernetesConnection, Map<string, number>>()

/**
 * Checks that a namespace exists, because the API returns an empty list for one that does not. A namespace that the
 * caller may not read counts as existing.
 *
 * @throws SdError `SD_NOT_FOUND`, retryable, because it may be created
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
 * Lists, then watches from there until `signal` aborts. A watch that ends continues from its last version if the server
 * still has that version; otherwise all objects are listed again.
 *
 * @throws SdError if the server is unreachable or refuses
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

/** Runs one watch. @returns the version from which to continue, or `undefined` if it has expired */
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

/**
 * Checks that the server has a version. A server that lost its data starts again from a low version, and a watch from a
 * future version would never report anything.
 */
async function isKnown<T extends KubeObject>(
  connection: KubernetesConnection,
  version: string,
  options: KubernetesFollowOptions<T>,
): Promise<boolean> {
  const { operationTimeoutMs: timeoutMs, signal, path } = options
  const now = await withTimeout({ timeoutMs, what: `checking ${path}`, signal }, (limit) =>
    listCollection(connection, options, limit, 1),
  )
  const isCount = /^\d+$/
  return isCount.test(version) && isCount.test(now.version) && BigInt(version) <= BigInt(now.version)
}
