import { isUtf8 } from 'node:buffer'
import { type ConfigWrite, commonPrefixOf, conflictError } from '@sd/adapter-kit'
import { type ConsulConnection, type Found, type Query, queryOnce } from '@sd/connection-consul'
import { SdError } from '@sd/core'
import type { ResolvedConsulConfigSourceOptions } from './options.ts'

/** Value of a key. */
export interface KeyValue {
  /** The text. */
  readonly content: string
  /** Whether the value is UTF-8. Otherwise `content` differs from the written bytes. */
  readonly isText: boolean
  /** Modify index of the key. */
  readonly revision: string
  /** A number that other programs store with the text; a write keeps it. */
  readonly flags: number
}

/** The keys of the KV store below a prefix; keys are relative to the prefix. */
export interface KvFolder {
  /** Query for the selected keys, and for those that begin as they do. */
  readonly query: Query
  /** Decodes the response to `query`. */
  read(found: Found): ReadonlyMap<string, KeyValue>
  /** Reads one key. @throws SdError `SD_DENIED` if the token can't read it, whether it exists or not */
  get(key: string, signal: AbortSignal): Promise<KeyValue | undefined>
  /** Writes one key. @throws SdError `SD_CONFLICT` */
  put(content: string, write: ConfigWrite): Promise<KeyValue>
  /** Deletes one key. @throws SdError `SD_CONFLICT` */
  remove(write: ConfigWrite): Promise<void>
}

/** The fields of a key in Consul's response that are used here. */
interface Entry {
  readonly Key: string
  readonly Value: Buffer | null
  readonly ModifyIndex: number
  readonly Flags?: number
}

/** Revision of a text that another writer has already replaced: no key has it. */
const replaced = '0'

/** Reads and writes through a connection that repeats requests without a response: a conflict can then be caused by the first attempt. */
export function createKvFolder(connection: ConsulConnection, settings: ResolvedConsulConfigSourceOptions): KvFolder {
  const { datacenter, name } = settings
  const folder = `${settings.prefix}/`
  const range = `${folder}${commonPrefixOf(settings)}`
  const dc = datacenter === undefined ? {} : { dc: datacenter }

  /** Consul's index for `ifRevision`; 0 means that the key must not exist. */
  function indexOf({ key, ifRevision }: ConfigWrite): number | undefined {
    if (ifRevision === undefined) return undefined
    if (ifRevision === null) return 0
    if (/^[1-9]\d{0,14}$/.test(ifRevision)) return Number(ifRevision)
    throw conflictError(name, key)
  }

  async function get(key: string, signal: AbortSignal): Promise<KeyValue | undefined> {
    const query: Query = ({ client }, call) => client.kv.get({ ...call, ...dc, key: folder + key, buffer: true })
    const { body } = await queryOnce(connection, query, signal)
    return body === undefined ? undefined : toKeyValue(body as Entry)
  }

  /** A token that can write but not read has no flags to keep. */
  async function flagsOf(key: string, signal: AbortSignal): Promise<number> {
    try {
      return (await get(key, signal))?.flags ?? 0
    } catch (error) {
      if (error instanceof SdError && error.code === 'SD_DENIED') return 0
      throw error
    }
  }

  return {
    query: ({ client }, call) => client.kv.get({ ...call, ...dc, key: range, recurse: true, buffer: true }),

    read({ body = [] }) {
      if (!Array.isArray(body)) throw new SdError('SD_MALFORMED', `Expected an array of the keys below ${folder}`)
      return new Map((body as readonly Entry[]).map((entry) => [entry.Key.slice(folder.length), toKeyValue(entry)]))
    },

    get,

    async put(content, write) {
      const { key, signal } = write
      const index = indexOf(write)
      // A write without flags would set them to 0.
      const flags = index === 0 ? 0 : await flagsOf(key, signal)
      const query = { ...dc, ...(index !== undefined && { cas: String(index) }), ...(flags !== 0 && { flags: String(flags) }) }
      const body = Buffer.from(content)
      let attempts = 0
      const response = await connection.run(({ client, headers, options: { ctx } }) => {
        attempts++
        return client._put({ path: '/kv/{key}', params: { key: folder + key }, query, body, headers, ctx })
      }, signal)
      const isWritten = response.body === true
      if (!isWritten && attempts === 1) throw conflictError(name, key)
      // Consul does not return the index of the write.
      const found = await get(key, signal)
      if (found?.content === content) return found
      if (!isWritten) throw conflictError(name, key)
      return { content, isText: true, revision: replaced, flags }
    },

    async remove(write) {
      const { key, signal } = write
      // Consul's delete with an index also succeeds if the key does not exist.
      const body = [...checksOf(folder + key, indexOf(write)), { KV: { Verb: 'delete', Key: folder + key } }]
      let attempts = 0
      try {
        await connection.run(({ client, headers, options: { ctx } }) => {
          attempts++
          return client._put({ path: '/txn', query: dc, body, headers, ctx })
        }, signal)
      } catch (error) {
        if (!(error instanceof SdError) || error.code !== 'SD_CONFLICT') throw error
        const isDone = attempts > 1 && !(await get(key, signal))
        if (!isDone) throw conflictError(name, key)
      }
    },
  }
}

function checksOf(path: string, index: number | undefined): readonly object[] {
  if (index === undefined) return []
  return [{ KV: index === 0 ? { Verb: 'check-not-exists', Key: path } : { Verb: 'check-index', Key: path, Index: index } }]
}

function toKeyValue({ Value, ModifyIndex, Flags = 0 }: Entry): KeyValue {
  return {
    content: Value?.toString() ?? '',
    isText: Value === null || isUtf8(Value),
    revision: String(ModifyIndex),
    flags: Flags,
  }
}
