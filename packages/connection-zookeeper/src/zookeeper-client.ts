import { isUtf8 } from 'node:buffer'
import type { Credentials } from '@sd/adapter-kit'
import { guardListener, SdError, settlesWithin, untilAborted } from '@sd/core'
import { CreateMode, type Event, Exception, type Stat } from 'node-zookeeper-client'
import { type AccessRule, toAcl } from './access.ts'
import { type DialedClient, type DialOptions, dial, presentCredentials, type SessionIdentity } from './dial.ts'
import { codeOf, type Need, noteNeed } from './errors.ts'
import { parentOf } from './paths.ts'

/** Metadata of a node. */
export interface NodeStat {
  /** Number of writes since it was created. */
  readonly version: number
  /** The transaction that created it, such as `0x1f`. */
  readonly czxid: string
  /**
   * The transaction that last wrote it. If the node is removed and created again, `version` starts at 0, but this
   * always differs.
   */
  readonly mzxid: string
  /** Time of the last write, in Unix milliseconds. */
  readonly updatedAt: number
  /** Number of direct children. */
  readonly numChildren: number
  /** Whether it is ephemeral and belongs to this session. */
  readonly own: boolean
}

/** A node and its data. */
export interface ReadNode extends NodeStat {
  /** Its data as UTF-8; empty if there is none. */
  readonly text: string
  /** Whether its data is valid UTF-8; otherwise `text` has replacement characters. */
  readonly isText: boolean
}

/** One TCP connection. Calls reject with the library's errors, and at once when the connection fails. */
export interface ZooKeeperClient {
  /** The session of the connection. */
  readonly identity: SessionIdentity
  /** Session timeout as negotiated with the server. */
  readonly sessionTimeoutMs: number
  /** Aborts with an SdError when the connection fails. It does not reconnect. */
  readonly lost: AbortSignal
  /**
   * Returns the metadata of a node, or `undefined` if it does not exist. A watch reports when the node is created,
   * changed or deleted.
   */
  exists(path: string, watched?: boolean): Promise<NodeStat | undefined>
  /** Returns the names of a node's children, or `undefined` if it does not exist. */
  children(path: string, watched?: boolean): Promise<readonly string[] | undefined>
  /** Returns the data of a node, or `undefined` if it does not exist. */
  read(path: string, watched?: boolean): Promise<ReadNode | undefined>
  /** Creates a node: a persistent one, or one that expires with this session. */
  create(path: string, data?: Buffer, lifetime?: 'lasting' | 'session'): Promise<'created' | 'exists' | 'no parent'>
  /**
   * Changes a node's data. @param version the required version @returns `undefined` if the node does not exist or has
   * another version
   */
  write(path: string, data: Buffer, version?: number): Promise<NodeStat | undefined>
  /** Removes a node; it need not exist. @param version the required version @returns `false` if it has another version */
  remove(path: string, version?: number): Promise<boolean>
  /** Removes a node and creates it for this session, in one step. @returns whether it existed */
  replace(path: string, data: Buffer): Promise<boolean>
  /** Presents additional credentials. */
  login(credentials: Credentials): void
  /** Reports changes of the watched nodes `folder` and below it. @returns removes the listener */
  listen(folder: string, listener: (path: string) => void): () => void
  /** When the last complete response arrived, by `performance.now()`. */
  receivedAt(): number
  /** Closes the connection with an error. */
  lose(error: SdError): void
  /** Ends the session on the server, then closes the connection. */
  end(): Promise<void>
}

/** Options of {@link openClient}. */
export interface ConnectionOptions extends DialOptions {
  /** Access list of new nodes. */
  readonly acl: readonly AccessRule[] | undefined
}

/** Maximum number of calls that wait for a response. */
const maxPending = 20_000

/** Time limit for ending a session, in milliseconds. */
const endLimitMs = 500

const anyVersion = -1

/** Connects, see {@link dial}. */
export async function openClient(options: ConnectionOptions): Promise<ZooKeeperClient> {
  const dialed = await dial(options)
  const { client, lost, receivedAt, lose } = dialed
  const identity = { id: client.getSessionId(), password: client.getSessionPassword() }
  const call = createCaller(dialed)
  const { listen, onEvent } = createListeners()
  // The digest users of this connection, or everyone.
  const defaultRule = options.credentials ? { scheme: 'auth', id: '' } : { scheme: 'world', id: 'anyone' }
  const acl = toAcl(options.acl ?? [defaultRule])
  // Always the same function for a path: the library keeps different ones until they fire, and can't remove them.
  const watcherFor = (watched: boolean): ((event: Event) => void) => (watched ? onEvent : (undefined as never))

  const toNodeStat = ({ version, czxid, mzxid, mtime, numChildren, ephemeralOwner }: Stat): NodeStat => ({
    version,
    czxid: toTransactionId(czxid),
    mzxid: toTransactionId(mzxid),
    updatedAt: Number(mtime.readBigInt64BE()),
    numChildren,
    own: ephemeralOwner.equals(identity.id),
  })

  return {
    identity,
    sessionTimeoutMs: client.getSessionTimeout(),
    lost,
    async exists(path, watched = false) {
      const stat = await call<Stat | null>((done) => client.exists(path, watcherFor(watched), done))
      return stat ? toNodeStat(stat) : undefined
    },
    children: (path, watched = false) =>
      unlessMissing(
        call<readonly string[]>((done) => client.getChildren(path, watcherFor(watched), done), { permission: 'read', path }),
      ),
    read: (path, watched = false) =>
      unlessMissing(
        call<ReadNode>(
          (done) =>
            client.getData(path, watcherFor(watched), (error, data: Buffer | undefined, stat) =>
              done(
                error,
                error ? undefined : { ...toNodeStat(stat), text: data?.toString() ?? '', isText: !data || isUtf8(data) },
              ),
            ),
          { permission: 'read', path },
        ),
      ),
    async create(path, data = Buffer.alloc(0), lifetime = 'lasting') {
      const mode = lifetime === 'session' ? CreateMode.EPHEMERAL : CreateMode.PERSISTENT
      const code = await codeUnless(
        call((done) => client.create(path, data, acl, mode, done), { permission: 'create', path: parentOf(path) || '/' }),
        [Exception.NODE_EXISTS, Exception.NO_NODE],
      )
      if (code === undefined) return 'created'
      return code === Exception.NODE_EXISTS ? 'exists' : 'no parent'
    },
    async write(path, data, version = anyVersion) {
      const written = call<Stat>((done) => client.setData(path, data, version, done), { permission: 'write', path })
      const code = await codeUnless(written, [Exception.NO_NODE, Exception.BAD_VERSION])
      return code === undefined ? toNodeStat(await written) : undefined
    },
    async remove(path, version = anyVersion) {
      const code = await codeUnless(
        call((done) => client.remove(path, version, done), { permission: 'delete', path: parentOf(path) || '/' }),
        [Exception.NO_NODE, Exception.BAD_VERSION],
      )
      return code !== Exception.BAD_VERSION
    },
    async replace(path, data) {
      const transaction = client.transaction().remove(path, anyVersion).create(path, data, acl, CreateMode.EPHEMERAL)
      const code = await codeUnless(
        call((done) => transaction.commit(done), { permission: 'create" and "delete', path: parentOf(path) || '/' }),
        [Exception.NO_NODE],
      )
      return code === undefined
    },
    login: (credentials) => presentCredentials(client, credentials),
    listen,
    receivedAt,
    lose,
    async end() {
      if (lost.aborted) return
      client.close()
      await settlesWithin(untilAborted(lost), endLimitMs)
      lose(new SdError('SD_UNAVAILABLE', `${options.name} was closed`))
    },
  }
}

/** In the format of ZooKeeper's own tools. */
function toTransactionId(bytes: Buffer): string {
  return `0x${bytes.readBigUInt64BE().toString(16)}`
}

type Done = (error: unknown, value?: unknown) => void

/**
 * Converts callbacks to promises, which also reject when the connection fails, because the library forgets some
 * callbacks.
 */
function createCaller({ lost }: DialedClient): <T>(start: (done: Done) => void, need?: Need) => Promise<T> {
  const pending = new Set<(error: unknown) => void>()
  lost.addEventListener('abort', () => {
    for (const reject of pending) reject(lost.reason)
    pending.clear()
  })
  return <T>(start: (done: Done) => void, need?: Need) =>
    new Promise<T>((resolve, reject) => {
      if (lost.aborted) return reject(lost.reason)
      if (pending.size >= maxPending)
        return reject(new SdError('SD_UNAVAILABLE', `${maxPending} calls are already waiting for ZooKeeper`))
      pending.add(reject)
      const done: Done = (error, value) => {
        pending.delete(reject)
        if (error && need) noteNeed(error, need)
        if (error) reject(error)
        else resolve(value as T)
      }
      try {
        start(done)
      } catch (error) {
        done(error)
      }
    })
}

function createListeners(): Pick<ZooKeeperClient, 'listen'> & { readonly onEvent: (event: Event) => void } {
  const listeners = new Map<string, Set<(path: string) => void>>()
  return {
    onEvent(event) {
      const path = event.getPath()
      for (let folder = path; folder !== ''; folder = parentOf(folder)) {
        for (const notify of listeners.get(folder) ?? []) notify(path)
      }
    },
    listen(folder, listener) {
      const all = listeners.get(folder) ?? new Set()
      const own = guardListener(`listener on ${folder}`, listener)
      listeners.set(folder, all.add(own))
      return () => {
        all.delete(own)
        if (all.size === 0 && listeners.get(folder) === all) listeners.delete(folder)
      }
    },
  }
}

async function unlessMissing<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call
  } catch (error) {
    if (codeOf(error) === Exception.NO_NODE) return undefined
    throw error
  }
}

/** Returns the code of an expected failure, or `undefined` if it succeeded. */
async function codeUnless(call: Promise<unknown>, expected: readonly number[]): Promise<number | undefined> {
  try {
    await call
    return undefined
  } catch (error) {
    const code = codeOf(error)
    if (code !== undefined && expected.includes(code)) return code
    throw error
  }
}
