import { isUtf8 } from 'node:buffer'
import { type ConfigWrite, conflictError } from '@sd/adapter-kit'
import { type ConsulConnection, type Found, type Query, queryOnce } from '@sd/connection-consul'
import { SdError } from '@sd/core'
import type { ResolvedConsulConfigSourceOptions } from './options.ts'

/** What a key has. */
export interface KeyValue {
  /** The text. */
  readonly content: string
  /** Whether the value is UTF-8; else characters of `content` are not what was written. */
  readonly isText: boolean
  /** The key's modify index. */
  readonly revision: string
  /** A number that other programs keep beside the text; writing leaves it as it is. */
  readonly flags: number
}

/** The keys of the KV store below a prefix, without its name. */
export interface KvFolder {
  /** Asks for all of them. */
  readonly query: Query
  /** Reads the answer to that. */
  read(found: Found): ReadonlyMap<string, KeyValue>
  /** Asks for one. @throws SdError `SD_DENIED` if it may not be read, whether it is there or not */
  get(key: string, signal: AbortSignal): Promise<KeyValue | undefined>
  /** Writes one. @throws SdError `SD_CONFLICT` */
  put(content: string, write: ConfigWrite): Promise<KeyValue>
  /** Deletes one. @throws SdError `SD_CONFLICT` */
  remove(write: ConfigWrite): Promise<void>
}

/** A key as Consul lists it, as far as it is read here. */
interface Entry {
  readonly Key: string
  readonly Value: Buffer | null
  readonly ModifyIndex: number
  readonly Flags?: number
}

/** The revision of what somebody else has replaced already: no key has it. */
const replaced = '0'

/** Reads and writes through a connection, which sends again what got no answer: what is refused then may be what was done the first time. */
export function createKvFolder(connection: ConsulConnection, settings: ResolvedConsulConfigSourceOptions): KvFolder {
  const { datacenter, name } = settings
  const folder = `${settings.prefix}/`
  const dc = datacenter === undefined ? {} : { dc: datacenter }

  /** Consul's index for `ifRevision`; 0: there must be no key. */
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

  /** Who may write and not read has no flags to keep. */
  async function flagsOf(key: string, signal: AbortSignal): Promise<number> {
    try {
      return (await get(key, signal))?.flags ?? 0
    } catch (error) {
      if (error instanceof SdError && error.code === 'SD_DENIED') return 0
      throw error
    }
  }

  return {
    query: ({ client }, call) => client.kv.get({ ...call, ...dc, key: folder, recurse: true, buffer: true }),

    read({ body = [] }) {
      if (!Array.isArray(body)) throw new SdError('SD_MALFORMED', `The list of ${folder} is no array`)
      return new Map((body as readonly Entry[]).map((entry) => [entry.Key.slice(folder.length), toKeyValue(entry)]))
    },

    get,

    async put(content, write) {
      const { key, signal } = write
      const index = indexOf(write)
      // Consul takes a write without flags for one that sets them to 0.
      const flags = index === 0 ? 0 : await flagsOf(key, signal)
      const query = { ...dc, ...(index !== undefined && { cas: String(index) }), ...(flags !== 0 && { flags: String(flags) }) }
      const body = Buffer.from(content)
      let attempts = 0
      const answer = await connection.run(({ client, headers, options: { ctx } }) => {
        attempts++
        return client._put({ path: '/kv/{key}', params: { key: folder + key }, query, body, headers, ctx })
      }, signal)
      const isWritten = answer.body === true
      if (!isWritten && attempts === 1) throw conflictError(name, key)
      // Consul does not say with which index it has written.
      const found = await get(key, signal)
      if (found?.content === content) return found
      if (!isWritten) throw conflictError(name, key)
      return { content, isText: true, revision: replaced, flags }
    },

    async remove(write) {
      const { key, signal } = write
      // Consul's own delete with an index takes a key that is not there for the wanted one.
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
