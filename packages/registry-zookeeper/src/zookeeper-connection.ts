import { type Credentials, SdError, settlesWithin, untilAborted } from '@sd/core'
import { ACL, CreateMode, type Event, Exception, Id, Permission } from 'node-zookeeper-client'
import { type DialedClient, type DialOptions, dial, presentCredentials, type SessionIdentity } from './dial.ts'
import { codeOf } from './errors.ts'

/** A node that holds data. */
export interface ReadNode {
  readonly text: string
  readonly version: number
  /** Whether it belongs to this session. */
  readonly own: boolean
}

/** One TCP connection. Calls reject with the library's errors, and at once when it is lost. */
export interface ZooKeeperConnection {
  readonly identity: SessionIdentity
  /** As agreed with the server. */
  readonly sessionTimeoutMs: number
  /** Fires with an SdError once the connection is lost; it does not come back. */
  readonly lost: AbortSignal
  /** Whether a node is there and belongs to this session. A watch tells when it comes, changes or goes. */
  exists(path: string, watched?: boolean): Promise<'own' | 'foreign' | undefined>
  /** Names below a node; `undefined` if there is none. */
  children(path: string, watched?: boolean): Promise<readonly string[] | undefined>
  /** What a node holds; `undefined` if there is none. */
  read(path: string, watched?: boolean): Promise<ReadNode | undefined>
  /** Creates a node: with data one of this session, without data a lasting one. */
  create(path: string, data?: Buffer): Promise<'created' | 'exists' | 'no parent'>
  /** Changes a node's data. @returns whether it is there */
  write(path: string, data: Buffer): Promise<boolean>
  /** Removes a node, or one that is gone. @param version the only one to remove @returns `false` if it has another version */
  remove(path: string, version?: number): Promise<boolean>
  /** Removes a node and creates it for this session, in one step. @returns whether it was there */
  replace(path: string, data: Buffer): Promise<boolean>
  /** Presents more credentials. */
  login(credentials: Credentials): void
  /** Tells of watched nodes that are `folder` itself or directly below it. @returns ends it */
  listen(folder: string, listener: (path: string) => void): () => void
  /** Loses it now. */
  lose(error: SdError): void
  /** Ends the session at the server, then loses the connection. */
  end(): Promise<void>
}

/** Most calls that wait for an answer at the same time. */
const maxPending = 20_000

/** Longest time that ending a session is waited for, in milliseconds. */
const endLimitMs = 500

const anyVersion = -1

/** Connects, see {@link dial}. */
export async function openConnection(options: DialOptions): Promise<ZooKeeperConnection> {
  const dialed = await dial(options)
  const { client, lost, lose } = dialed
  const identity = { id: client.getSessionId(), password: client.getSessionPassword() }
  const call = createCaller(dialed)
  const { listen, onEvent } = createListeners()
  // The digest users of this connection, or everybody.
  const acl = [new ACL(Permission.ALL, options.credentials ? new Id('auth', '') : new Id('world', 'anyone'))]
  // Always the same function for a path: the library would keep others until they fire, and has no way to take one back.
  const watcherFor = (watched: boolean): ((event: Event) => void) => (watched ? onEvent : (undefined as never))

  return {
    identity,
    sessionTimeoutMs: client.getSessionTimeout(),
    lost,
    async exists(path, watched = false) {
      const stat = await call<{ ephemeralOwner: Buffer } | null>((done) => client.exists(path, watcherFor(watched), done))
      return stat ? (stat.ephemeralOwner.equals(identity.id) ? 'own' : 'foreign') : undefined
    },
    children: (path, watched = false) =>
      unlessMissing(call<readonly string[]>((done) => client.getChildren(path, watcherFor(watched), done))),
    read: (path, watched = false) =>
      unlessMissing(
        call<ReadNode>((done) =>
          client.getData(path, watcherFor(watched), (error, data: Buffer | undefined, stat) =>
            done(
              error,
              error
                ? undefined
                : { text: data?.toString() ?? '', version: stat.version, own: stat.ephemeralOwner.equals(identity.id) },
            ),
          ),
        ),
      ),
    async create(path, data) {
      const mode = data ? CreateMode.EPHEMERAL : CreateMode.PERSISTENT
      const code = await codeUnless(
        call((done) => client.create(path, data ?? Buffer.alloc(0), acl, mode, done)),
        [Exception.NODE_EXISTS, Exception.NO_NODE],
      )
      if (code === undefined) return 'created'
      return code === Exception.NODE_EXISTS ? 'exists' : 'no parent'
    },
    async write(path, data) {
      const code = await codeUnless(
        call((done) => client.setData(path, data, anyVersion, done)),
        [Exception.NO_NODE],
      )
      return code === undefined
    },
    async remove(path, version = anyVersion) {
      const code = await codeUnless(
        call((done) => client.remove(path, version, done)),
        [Exception.NO_NODE, Exception.BAD_VERSION],
      )
      return code !== Exception.BAD_VERSION
    },
    async replace(path, data) {
      const transaction = client.transaction().remove(path, anyVersion).create(path, data, acl, CreateMode.EPHEMERAL)
      const code = await codeUnless(
        call((done) => transaction.commit(done)),
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

type Done = (error: unknown, value?: unknown) => void

/** Turns callbacks into promises that settle when the connection is lost, also where the library forgets its callback. */
function createCaller({ lost }: DialedClient): <T>(start: (done: Done) => void) => Promise<T> {
  const pending = new Set<(error: unknown) => void>()
  lost.addEventListener('abort', () => {
    for (const reject of pending) reject(lost.reason)
    pending.clear()
  })
  return <T>(start: (done: Done) => void) =>
    new Promise<T>((resolve, reject) => {
      if (lost.aborted) return reject(lost.reason)
      if (pending.size >= maxPending)
        return reject(new SdError('SD_UNAVAILABLE', `${maxPending} calls wait for ZooKeeper already`))
      pending.add(reject)
      const done: Done = (error, value) => {
        pending.delete(reject)
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

function createListeners(): Pick<ZooKeeperConnection, 'listen'> & { readonly onEvent: (event: Event) => void } {
  const listeners = new Map<string, Set<(path: string) => void>>()
  return {
    onEvent(event) {
      const path = event.getPath()
      for (const folder of [path, path.slice(0, path.lastIndexOf('/'))]) {
        for (const listener of listeners.get(folder) ?? []) listener(path)
      }
    },
    listen(folder, listener) {
      const all = listeners.get(folder) ?? new Set()
      listeners.set(folder, all.add(listener))
      return () => {
        all.delete(listener)
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
