import { promisify } from 'node:util'
import { ACL, CreateMode, createClient, Id, Permission } from 'node-zookeeper-client'

/** Another tool on the same ZooKeeper, which writes arbitrary nodes with the bare library. */
export interface OtherTool {
  /** Creates an ephemeral node and persistent folders above it, or changes an existing node. */
  put(path: string, text: string): Promise<void>
  /** Creates a persistent node and folders above it. */
  createFolder(path: string): Promise<void>
  /** Reads a node's text. */
  read(path: string): Promise<string>
  /** Reads the access list of a node. */
  readAccess(path: string): Promise<readonly string[]>
  /** Allows only these digest users, `user:hash`, full access to a node. */
  allow(path: string, users: readonly string[]): Promise<void>
  /** Closes its session. */
  close(): void
}

/** Connects to a port of 127.0.0.1. @param user `user:password` for the digest scheme */
export async function connectOtherTool(port: number, user?: string): Promise<OtherTool> {
  const client = createClient(`127.0.0.1:${port}`, { sessionTimeout: 10_000 })
  if (user) client.addAuthInfo('digest', Buffer.from(user))
  const connected = new Promise<void>((resolve) => client.once('connected', resolve))
  client.connect()
  await connected
  const createFolder = promisify<string, unknown>((path, done) => client.mkdirp(path, done))
  const setData = promisify<string, Buffer, unknown>((path, data, done) => client.setData(path, data, done))
  const create = promisify<string, Buffer, unknown>((path, data, done) => client.create(path, data, CreateMode.EPHEMERAL, done))
  const getData = promisify<string, Buffer | undefined>((path, done) => client.getData(path, done))
  const getAccess = promisify<string, ACL[]>((path, done) => client.getACL(path, done))
  const setAccess = promisify<string, ACL[], unknown>((path, acl, done) => client.setACL(path, acl, done))
  return {
    async put(path, text) {
      await createFolder(path.slice(0, path.lastIndexOf('/')))
      await create(path, Buffer.from(text)).catch(() => setData(path, Buffer.from(text)))
    },
    createFolder: async (path) => void (await createFolder(path)),
    read: async (path) => (await getData(path))?.toString() ?? '',
    readAccess: async (path) => (await getAccess(path)).map(({ id }) => `${id.scheme}:${id.id}`),
    allow: async (path, users) => {
      await setAccess(
        path,
        users.map((one) => new ACL(Permission.ALL, new Id('digest', one))),
      )
    },
    close: () => client.close(),
  }
}
