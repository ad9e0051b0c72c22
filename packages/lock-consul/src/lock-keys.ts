import { type ConsulConnection, type Found, followQuery, type Query, queryOnce } from '@sd/connection-consul'
import { escapeName, type LockHolder, type LockList, SdError, sleep, unescapeName, withAnySignal } from '@sd/core'
import type { ResolvedConsulLockOptions } from './options.ts'
import type { ConsulSession } from './session.ts'

/** The used part of a key in Consul's format. */
interface Entry {
  readonly Session?: string
  readonly Value: string | null
  readonly ModifyIndex: number
}

/** Pause before a free lock is requested again, in milliseconds: Consul holds it back for the lock delay. */
const heldBackMs = 500

/** Requests for the keys of locks. */
export class LockKeys {
  readonly #settings: ResolvedConsulLockOptions
  readonly #connection: ConsulConnection
  /** Query parameters for the datacenter. */
  readonly #dc: { readonly dc?: string }

  constructor(settings: ResolvedConsulLockOptions, connection: ConsulConnection) {
    this.#settings = settings
    this.#connection = connection
    this.#dc = settings.datacenter === undefined ? {} : { dc: settings.datacenter }
  }

  #pathOf(key: string): string {
    return `${this.#settings.prefix}/${escapeName(key)}`
  }

  /** Queries the leader, which first verifies its leadership. */
  #query(key: string): Query {
    return ({ client }, call) => client.kv.get({ ...call, ...this.#dc, key: this.#pathOf(key), consistent: true })
  }

  async #read(key: string): Promise<Entry | undefined> {
    return readEntry(await queryOnce(this.#connection, this.#query(key)))
  }

  /** Returns the holder of a lock, or `undefined` if it is free. */
  async holderOf(key: string): Promise<LockHolder | undefined> {
    return toHolder(await this.#read(key))
  }

  /**
   * Lists held locks. Consul has no pages: it sends all keys with the prefix. A key exists only while its lock is held, or
   * if another tool wrote it.
   */
  async list(prefix: string, limit: number, signal: AbortSignal): Promise<LockList> {
    const query: Query = ({ client }, call) => client.kv.get({ ...call, ...this.#dc, key: this.#pathOf(prefix), recurse: true })
    const { body } = await queryOnce(this.#connection, query, signal)
    const folder = `${this.#settings.prefix}/`
    const locks = ((body ?? []) as readonly (Entry & { readonly Key: string })[]).flatMap((entry) => {
      const holder = toHolder(entry)
      return holder ? [{ key: unescapeName(entry.Key.slice(folder.length)), ...holder }] : []
    })
    return { locks: locks.slice(0, limit), isTruncated: locks.length > limit }
  }

  /** Reports the holder of a lock, and every change. */
  followHolder(key: string, signal: AbortSignal, onHolder: (holder: LockHolder | undefined) => void): Promise<void> {
    return followQuery(this.#connection, this.#query(key), { signal, onFound: (found) => onHolder(toHolder(readEntry(found))) })
  }

  /** Reports when a session no longer holds a lock. */
  followLoss(key: string, { id }: ConsulSession, signal: AbortSignal, onLost: () => void): Promise<void> {
    return followQuery(this.#connection, this.#query(key), {
      signal,
      onFound: (found) => {
        if (readEntry(found)?.Session !== id) onLost()
      },
    })
  }

  /** Tries once. @returns the token, or `undefined` if another session has the lock or Consul holds it back */
  async contend({ id }: ConsulSession, key: string, value: string): Promise<bigint | undefined> {
    const { name } = this.#settings
    const { body } = await this.#connection.run(({ client, headers, options: { ctx } }) =>
      client._put({
        path: '/kv/{key}',
        params: { key: this.#pathOf(key) },
        query: { ...this.#dc, acquire: id },
        body: Buffer.from(value),
        headers,
        ctx,
      }),
    )
    if (body !== true) return undefined
    const entry = await this.#read(key)
    if (entry?.Session !== id) throw new SdError('SD_UNAVAILABLE', `${name} revoked ${key} at once`)
    return BigInt(entry.ModifyIndex)
  }

  /**
   * Deletes the key if it still has the index `token`; without one, if it belongs to our session. @returns false if
   * another client wrote to it in the meantime
   */
  async remove({ id }: ConsulSession, key: string, token?: bigint): Promise<boolean> {
    let index = token
    if (index === undefined) {
      const entry = await this.#read(key)
      if (entry?.Session !== id) return true
      index = BigInt(entry.ModifyIndex)
    }
    const cas = String(index)
    const { body } = await this.#connection.run(({ client, headers, options: { ctx } }) =>
      client._delete({ path: '/kv/{key}', params: { key: this.#pathOf(key) }, query: { ...this.#dc, cas }, headers, ctx }),
    )
    return body === true
  }

  /** Waits until the key is free. If it is free from the start, Consul holds it back, and this waits for a pause. */
  async waitUntilFree(key: string, signal: AbortSignal): Promise<void> {
    const free = new AbortController()
    let isFirst = true
    await withAnySignal([signal, free.signal], (either) =>
      followQuery(this.#connection, this.#query(key), {
        signal: either,
        async onFound(found) {
          const isHeld = readEntry(found)?.Session !== undefined
          if (!isHeld && isFirst) await sleep(heldBackMs * (0.75 + Math.random() * 0.5), signal)
          isFirst = false
          if (!isHeld) free.abort()
        },
      }),
    )
  }
}

function readEntry({ body }: Found): Entry | undefined {
  return (body ?? undefined) as Entry | undefined
}

function toHolder(entry: Entry | undefined): LockHolder | undefined {
  return entry?.Session === undefined ? undefined : { value: entry.Value ?? '', token: BigInt(entry.ModifyIndex) }
}
