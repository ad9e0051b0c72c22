import { isUtf8 } from 'node:buffer'
import type { Credentials } from '@sd/adapter-kit'
import { guardListener, SdError, settlesWithin, untilAborted } from '@sd/core'
import { CreateMode, type Event, Exception, type Stat } from 'node-zookeeper-client'
import { type AccessRule, toAcl } from './access.ts'
import { type DialedClient, type DialOptions, dial, presentCredentials, type SessionIdentity } from './dial.ts'
import { codeOf, type Need, noteNeed } from './errors.ts'
import { parentOf } from './paths.ts'

/** What ZooKeeper knows of a node. */
export interface NodeStat {
  /** How often it was written since it was created. */
  readonly version: number
  /** The transaction that created it, such as `0x1f`. */
  readonly czxid: string
  /** The transaction that wrote it last. Removing and creating it anew starts `version` at 0 again, but this is always another one. */
  readonly mzxid: string
  /** When it was written last, in Unix milliseconds. */
  readonly mtimeMs: number
  /** Number of nodes directly below. */
  readonly numChildren: number
  /** Whether it is ephemeral and belongs to this session. */
  readonly own: boolean
}

/** A node and its data. */
export interface ReadNode extends NodeStat {
  /** Its data, read as UTF-8; empty where there is none. */
  readonly text: string
  /** Whether its data is UTF-8; else characters of `text` are not what was written. */
  readonly isText: boolean
}

/** One TCP connection. Calls reject with the library's errors, and at once when it is lost. */
export interface ZooKeeperClient {
  /** The session that it belongs to. */
  readonly identity: SessionIdentity
  /** As agreed with the server. */
  readonly sessionTimeoutMs: number
  /** Fires with an SdError once the connection is lost; it does not come back. */
  readonly lost: AbortSignal
  /** What is known of a node; `undefined` if there is none. A watch tells when it comes, changes or goes. */
  exists(path: string, watched?: boolean): Promise<NodeStat | undefined>
  /** Names below a node; `undefined` if there is none. */
  children(path: string, watched?: boolean): Promise<readonly string[] | undefined>
  /** What a node holds; `undefined` if there is none. */
  read(path: string, watched?: boolean): Promise<ReadNode | undefined>
  /** Creates a node: a lasting one, or one that goes with this session. */
  create(path: string, data?: Buffer, lifetime?: 'lasting' | 'session'): Promise<'created' | 'exists' | 'no parent'>
  /** Changes a node's data. @param version the only one to change @returns `undefined` if there is none, or one of another version */
  write(path: string, data: Buffer, version?: number): Promise<NodeStat | undefined>
  /** Removes a node, or one that is gone. @param version the only one to remove @returns `false` if it has another version */
  remove(path: string, version?: number): Promise<boolean>
  /** Removes a node and creates it for this session, in one step. @returns whether it was there */
  replace(path: string, data: Buffer): Promise<boolean>
  /** Presents more credentials. */
  login(credentials: Credentials): void
  /** Tells of watched nodes that are `folder` itself or below it. @returns ends it */
  listen(folder: string, listener: (path: string) => void): () => void
  /** Loses it now. */
  lose(error: SdError): void
  /** Ends the session at the server, then loses the connection. */
  end(): Promise<void>
}

/** Options of {@link openClient}. */
export interface ConnectionOptions extends DialOptions {
  /** Who may do what with new nodes. */
  readonly acl: readonly AccessRule[] | undefined
}

/** Most calls that wait for an answer at the same time. */
const maxPending = 20_000

/** Longest time that ending a session is waited for, in milliseconds. */
const endLimitMs = 500

const anyVersion = -1

/** Connects, see {@link dial}. */
export async function openClient(options: ConnectionOptions): Promise<ZooKeeperClient> {
  const dialed = await dial(options)
  const { client, lost, lose } = dialed
  const identity = { id: client.getSessionId(), password: client.getSessionPassword() }
  const call = createCaller(dialed)
  const { listen, onEvent } = createListeners()
  // The digest users of this connection, or everybody.
  const defaultRule = options.credentials ? { scheme: 'auth', id: '' } : { scheme: 'world', id: 'anyone' }
  const acl = toAcl(options.acl ?? [defaultRule])
  // Always the same function for a path: the library would keep others until they fire, and has no way to take one back.
  const watcherFor = (watched: boolean): ((event: Event) => void) => (watched ? onEvent : (undefined as never))

  const toNodeStat = ({ version, czxid, mzxid, mtime, numChildren, ephemeralOwner }: Stat): NodeStat => ({
    version,
    czxid: toTransactionId(czxid),
    mzxid: toTransactionId(mzxid),
    mtimeMs: Number(mtime.readBigInt64BE()),
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
    lose,
    async end() {
      if (lost.aborted) return
      client.close()
      await settlesWithin(untilAborted(lost), endLimitMs)
      lose(new SdError('SD_UNAVAILABLE', `${options.name} was closed`))
    },
  }
}

/** As ZooKeeper's own tools write it. */
function toTransactionId(bytes: Buffer): string {
  return `0x${bytes.readBigUInt64BE().toString(16)}`
}

type Done = (error: unknown, value?: unknown) => void

/** Turns callbacks into promises that settle when the connection is lost, also where the library forgets its callback. */
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
        return reject(new SdError('SD_UNAVAILABLE', `${maxPending} calls wait for ZooKeeper already`))
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
        for (const tell of listeners.get(folder) ?? []) tell(path)
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

async function unlessMissing<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer
  } catch (error) {
    if (codeOf(error) === Exception.NO_NODE) return undefined
    throw error
  }
}

/** The code of an expected failure; `undefined` if there was none. */
async function codeUnless(answer: Promise<unknown>, expected: readonly number[]): Promise<number | undefined> {
  try {
    await answer
    return undefined
  } catch (error) {
    const code = codeOf(error)
    if (code !== undefined && expected.includes(code)) return code
    throw error
  }
}
