import { type ConfigWrite, checkRevision } from '@sd/adapter-kit'
import type { KubernetesConnection } from '@sd/connection-kubernetes'
import { type ConfigEntry, createBackoff, invalidError, SdError, sleep } from '@sd/core'
import { type ConfigObject, type EntryText, readEntries, withEntry } from './config-objects.ts'
import { isObjectName } from './options.ts'
import { findObject, type KubernetesTarget } from './targets.ts'

/** What {@link createObjectWriter} works with. */
export interface ObjectWriterOptions {
  /** Name of the source, for messages. */
  readonly name: string
  readonly connection: KubernetesConnection
  /** What the source reads. */
  readonly targets: readonly KubernetesTarget[]
}

/** Writes entries. */
export interface ObjectWriter {
  /** Writes a text. @throws SdError `SD_CONFLICT` if the revision is another one */
  put(content: string, write: ConfigWrite): Promise<ConfigEntry>
  /** Removes a text. @throws likewise */
  remove(write: ConfigWrite): Promise<void>
}

/** Where an entry is, or is to be. */
interface Place {
  readonly target: KubernetesTarget
  readonly object: ConfigObject | undefined
  readonly entry: ConfigEntry | undefined
}

/** Writing starts over so many times when others change the same object meanwhile. */
const maxAttempts = 20
const dataKeyPattern = /^(?!\.\.)[-._a-zA-Z0-9]+$/

/** Makes a writer. Kubernetes compares whole objects, so it starts over where another entry of the object was changed meanwhile. */
export function createObjectWriter({ name, connection, targets }: ObjectWriterOptions): ObjectWriter {
  /** Where the entry is read from; else the last object of that name, which wins; else the last one that is named. */
  async function locate(key: string, objectName: string, signal: AbortSignal): Promise<Place | undefined> {
    const candidates = targets.filter(({ object }) => object === undefined || object === objectName)
    if (candidates.length === 0) throw invalidError('key', key, 'an entry of an object that this source reads')
    const places = await Promise.all(
      candidates.map(async (target): Promise<Place> => {
        const object = await findObject(connection, target, objectName, signal)
        return { target, object, entry: object && findEntry(target, object, key) }
      }),
    )
    return (
      places.findLast(({ entry }) => entry) ??
      places.findLast(({ object }) => object) ??
      places.findLast(({ target }) => target.object !== undefined)
    )
  }

  /** An object is made empty at first, because the revision of a text has the object's uid in it. */
  async function create({ kind, path }: KubernetesTarget, objectName: string, signal: AbortSignal): Promise<ConfigObject> {
    const body = { apiVersion: 'v1', kind, metadata: { name: objectName } }
    return (await connection.request({ method: 'POST', path, body, signal })).body as ConfigObject
  }

  async function replace({ kind, path }: KubernetesTarget, object: ConfigObject, signal: AbortSignal): Promise<ConfigObject> {
    const body = { ...object, apiVersion: 'v1', kind }
    return (await connection.request({ method: 'PUT', path: `${path}/${object.metadata.name}`, body, signal }))
      .body as ConfigObject
  }

  /** @returns the entry as written, or `undefined` once there is none */
  async function change(text: EntryText | undefined, write: ConfigWrite): Promise<ConfigEntry | undefined> {
    const { key, signal } = write
    const [objectName, dataKey] = splitKey(key)
    const backoff = createBackoff({ baseMs: 10, maxMs: 200 })
    for (let attempt = 1; attempt <= maxAttempts; attempt++) {
      const place = await locate(key, objectName, signal)
      checkRevision(name, write, place?.entry?.revision)
      if (!text && !place?.entry) return undefined
      if (!place) throw new SdError('SD_NOT_FOUND', `${name}: no object ${objectName} has the wanted labels: create it with them`)
      const { target, object } = place
      if (object?.immutable) {
        throw new SdError(
          'SD_UNSUPPORTED',
          `${name}: the ${target.kind} ${objectName} is immutable: delete it and create it anew`,
        )
      }
      try {
        const before = object ?? (await create(target, objectName, signal))
        return findEntry(target, await replace(target, withEntry(target.kind, before, dataKey, text), signal), key)
      } catch (error) {
        if (!isOvertaken(error, object)) throw error
      }
      await sleep(backoff.next(), signal, true)
    }
    throw new SdError('SD_CONFLICT', `${name}: ${objectName} is changed all the time`, { retryable: true })
  }

  return {
    async put(content, write) {
      const { author, comment } = write
      return (await change({ content, author, comment }, write)) as ConfigEntry
    },
    remove: async (write) => void (await change(undefined, write)),
  }
}

function findEntry({ kind }: KubernetesTarget, object: ConfigObject, key: string): ConfigEntry | undefined {
  return readEntries(kind, object).find((entry) => entry.key === key)
}

function splitKey(key: string): [objectName: string, dataKey: string] {
  const slash = key.indexOf('/')
  const [objectName, dataKey] = [key.slice(0, slash), key.slice(slash + 1)]
  if (slash > 0 && isObjectName(objectName) && dataKeyPattern.test(dataKey)) return [objectName, dataKey]
  throw invalidError('key', key, '<name of the object>/<key>, such as orders/app.yaml, as Kubernetes takes them')
}

/** Whether somebody else has created, changed or deleted the object since it was found, or not found. */
function isOvertaken(error: unknown, found: ConfigObject | undefined): boolean {
  if (!(error instanceof SdError)) return false
  return error.code === 'SD_CONFLICT' || (found !== undefined && error.code === 'SD_NOT_FOUND')
}
