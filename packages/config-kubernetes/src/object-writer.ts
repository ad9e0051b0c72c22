import { type ConfigWrite, checkRevision, contentionError } from '@sd/adapter-kit'
import type { KubernetesConnection } from '@sd/connection-kubernetes'
import { type ConfigEntry, createBackoff, invalidError, SdError, sleep } from '@sd/core'
import { type ConfigObject, type EntryText, readEntries, withEntry } from './config-objects.ts'
import { isObjectName } from './options.ts'
import { findObject, type KubernetesTarget } from './targets.ts'

/** Options of {@link createObjectWriter}. */
export interface ObjectWriterOptions {
  /** Name of the source in messages. */
  readonly name: string
  readonly connection: KubernetesConnection
  /** The objects that the source reads. */
  readonly targets: readonly KubernetesTarget[]
}

/** Writes entries. */
export interface ObjectWriter {
  /** Writes a text. @throws SdError `SD_CONFLICT` if its revision differs from `ifRevision` */
  put(content: string, write: ConfigWrite): Promise<ConfigEntry>
  /** Removes a text. @throws SdError as `put` */
  remove(write: ConfigWrite): Promise<void>
}

/** Location of an existing or new entry. */
interface Place {
  readonly target: KubernetesTarget
  readonly object: ConfigObject | undefined
  readonly entry: ConfigEntry | undefined
}

/** Maximum number of attempts of a write while others change the same object. */
const maxAttempts = 20
const dataKeyPattern = /^(?!\.\.)[-._a-zA-Z0-9]+$/

/** Creates a writer. Kubernetes compares whole objects, so a write is retried if another entry of the object has changed. */
export function createObjectWriter({ name, connection, targets }: ObjectWriterOptions): ObjectWriter {
  /** The location the entry is read from, otherwise the last object of that name, otherwise the last one that is configured by name. */
  async function locate(key: string, objectName: string, signal: AbortSignal): Promise<Place | undefined> {
    const candidates = targets.filter(({ object }) => object === undefined || object === objectName)
    if (candidates.length === 0) throw invalidError('key', key, 'an entry <name>/<key> of an object that this source reads')
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

  /** Creates an empty object first, because the revision of a text depends on the uid of the object. */
  async function create({ kind, path }: KubernetesTarget, objectName: string, signal: AbortSignal): Promise<ConfigObject> {
    const body = { apiVersion: 'v1', kind, metadata: { name: objectName } }
    return (await connection.request({ method: 'POST', path, body, signal })).body as ConfigObject
  }

  async function replace({ kind, path }: KubernetesTarget, object: ConfigObject, signal: AbortSignal): Promise<ConfigObject> {
    const body = { ...object, apiVersion: 'v1', kind }
    return (await connection.request({ method: 'PUT', path: `${path}/${object.metadata.name}`, body, signal }))
      .body as ConfigObject
  }

  /** @returns the written entry, or `undefined` after a removal */
  async function change(text: EntryText | undefined, write: ConfigWrite): Promise<ConfigEntry | undefined> {
    const { key, signal } = write
    const [objectName, dataKey] = splitKey(key)
    const backoff = createBackoff({ baseMs: 10, maxMs: 200 })
    for (let attempt = 1; attempt <= maxAttempts; attempt++) {
      const place = await locate(key, objectName, signal)
      checkRevision(name, write, place?.entry?.revision)
      if (!text && !place?.entry) return undefined
      if (!place)
        throw new SdError(
          'SD_NOT_FOUND',
          `${name}: no object ${objectName} matches the label selector: create it with these labels`,
        )
      const { target, object } = place
      if (object?.immutable) {
        throw new SdError(
          'SD_UNSUPPORTED',
          `${name}: the ${target.kind} ${objectName} is immutable: delete it and create it again`,
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
    throw contentionError(`${name}: ${objectName}`, maxAttempts)
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
  throw invalidError('key', key, '<object name>/<key> as valid in Kubernetes, such as orders/app.yaml')
}

/** Whether another writer has created, changed or deleted the object since it was looked up. */
function isOvertaken(error: unknown, found: ConfigObject | undefined): boolean {
  if (!(error instanceof SdError)) return false
  return error.code === 'SD_CONFLICT' || (found !== undefined && error.code === 'SD_NOT_FOUND')
}
