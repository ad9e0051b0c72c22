import {
  createFolder,
  createZooKeeperConnection,
  parentOf,
  resolveZooKeeperConnectionOptions,
  type ZooKeeperConnectionOptions,
} from '@sd/connection-zookeeper'

/** Another tool on the same ZooKeeper, which writes arbitrary nodes. */
export interface OtherTool {
  /** Creates or changes a node, and its parent folders. */
  put(path: string, content: string | Uint8Array): Promise<void>
  /** Removes a node; of one with children only the data. */
  remove(path: string): Promise<void>
  /** Content of a node; `undefined` if it does not exist. */
  read(path: string): Promise<string | undefined>
  /** Creates that many nodes without data below a node. */
  createMany(path: string, count: number): Promise<void>
  /** Removes these nodes. */
  removeMany(path: string, count: number): Promise<void>
  /** Closes the session. */
  close(): Promise<void>
}

/** Connects to a port of 127.0.0.1. */
export function connectOtherTool(port: number, options: ZooKeeperConnectionOptions = {}): OtherTool {
  const session = createZooKeeperConnection({
    settings: resolveZooKeeperConnectionOptions({ ...options, servers: [`127.0.0.1:${port}`] }, 'other tool'),
  })
  return {
    put: (path, content) =>
      session.run(async (connection) => {
        const data = Buffer.from(content)
        if (await connection.write(path, data)) return
        if ((await connection.create(path, data)) === 'created') return
        await createFolder(connection, parentOf(path), '')
        await connection.create(path, data)
      }),
    remove: (path) =>
      session.run(async (connection) => {
        if ((await connection.exists(path))?.numChildren) await connection.write(path, Buffer.alloc(0))
        else await connection.remove(path)
      }),
    read: (path) => session.run(async (connection) => (await connection.read(path))?.text),
    createMany: (path, count) =>
      session.run(async (connection) => {
        await createFolder(connection, path, '')
        await Promise.all(Array.from({ length: count }, (_, index) => connection.create(`${path}/${index}`)))
      }),
    removeMany: (path, count) =>
      session.run(async (connection) => {
        await Promise.all(Array.from({ length: count }, (_, index) => connection.remove(`${path}/${index}`)))
      }),
    close: () => session.close(),
  }
}
