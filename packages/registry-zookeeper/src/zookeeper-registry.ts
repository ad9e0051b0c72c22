import {
  assembleRegistry,
  decodeEntries,
  encodeInstance,
  type RegistrationDriver,
  readIncarnation,
  replaceServices,
} from '@sd/adapter-kit'
import { checkChroot, createZooKeeperConnection, type ZooKeeperClient, type ZooKeeperConnection } from '@sd/connection-zookeeper'
import {
  type AllServices,
  collectServices,
  createSnapshot,
  escapeName,
  keepIfSame,
  type Registry,
  SdError,
  type ServiceInstance,
  unescapeName,
} from '@sd/core'
import { type ChildReader, followChildren, followFolders, readChildren } from './children.ts'
import { idOfNode, readDocument, serviceOfNode } from './documents.ts'
import { resolveZooKeeperRegistryOptions, type ZooKeeperRegistryOptions } from './options.ts'
import { putNode, removeNode } from './zookeeper-nodes.ts'

const capabilities = {
  register: true,
  watch: 'push',
  listServices: true,
  watchAll: true,
  ttl: true,
  conditionalRemove: true,
} as const

/** Largest document, in bytes. ZooKeeper accepts packets of 1 MiB, including path and access list. */
const maxDocumentBytes = 1_000_000

/** A node below a service. Without an instance if it is something else, or can't be read. */
interface FoundNode {
  readonly instance: ServiceInstance | undefined
}

/**
 * Creates a registry that registers and finds instances in ZooKeeper. Each instance is a JSON document in an ephemeral
 * node of the registry's session.
 *
 * @throws SdError `SD_INVALID` that names the option
 */
export function createZooKeeperRegistry(options: ZooKeeperRegistryOptions = {}): Registry {
  const settings = resolveZooKeeperRegistryOptions(options)
  const { root, chroot, sessionTimeoutMs, name, operationTimeoutMs, enabled } = settings
  const connection = createZooKeeperConnection({
    settings,
    onConnected: () => assembled.connection.succeeded(),
    onLost(error) {
      assembled.connection.failed(error)
      assembled.recover(error)
    },
  })

  const folderOf = (service: string): string => `${root}/${escapeName(service)}`
  /**
   * A folder whose chroot does not exist is missing because of a mistake, or because it is too early. Do not return an
   * empty list for it.
   */
  const frameOf = (client: ZooKeeperClient) => (): Promise<void> => checkChroot(client, chroot)
  const keyOf = (service: string, id: string): string => `${folderOf(service)}/${escapeName(id)}`

  const nodeReader = (service: string): ChildReader<FoundNode> => createNodeReader(name, service)

  /** Finds an instance by the id in its document, for nodes that other tools named. */
  function locate(service: string, instanceId: string): Promise<string | undefined> {
    return connection.run(async (client) => {
      const nodes = await client.children(folderOf(service))
      return nodes?.find((node) => idOfNode(node) === instanceId)
    })
  }

  const assembled = assembleRegistry({
    name,
    capabilities,
    ttlMs: sessionTimeoutMs,
    operationTimeoutMs,
    enabled,
    backoff: { baseMs: 200, maxMs: 2_000 },
    driver: createDriver(connection, keyOf, chroot),
    check: (instance) => void toDocument(instance, ''),
    async list(service, { signal }) {
      const nodes = await connection.run((client) =>
        readChildren(client, folderOf(service), { read: nodeReader(service), signal, onMissing: frameOf(client) }),
      )
      return createSnapshot({ service, instances: toInstances(nodes) })
    },
    async get(service, instanceId) {
      const read = (node: string): Promise<FoundNode | undefined> =>
        connection.run((client) => nodeReader(service)(client, `${folderOf(service)}/${node}`, false))
      const found = await read(escapeName(instanceId))
      if (found) return found.instance
      const node = await locate(service, instanceId)
      return node === undefined ? undefined : (await read(node))?.instance
    },
    listServices: async ({ signal }) =>
      toNames(
        await connection.run((client) => readChildren(client, root, { read: countReader, signal, onMissing: frameOf(client) })),
      ),
    async remove(service, instanceId) {
      const node = await locate(service, instanceId)
      if (node !== undefined) await connection.run((client) => client.remove(`${folderOf(service)}/${node}`))
    },
    ping: () => connection.run((client) => checkChroot(client, chroot)),
    follow: (service, { offer, previous, signal }) =>
      connection.run((client) =>
        followChildren(client, folderOf(service), {
          signal,
          read: nodeReader(service),
          onMissing: frameOf(client),
          onChange: (nodes) => offer(createSnapshot({ service, instances: toInstances(nodes), previous: previous() })),
        }),
      ),
    followServices: ({ offer, previous, signal }) =>
      connection.run((client) =>
        followChildren(client, root, {
          signal,
          read: countReader,
          onMissing: frameOf(client),
          onChange: (counts) => offer(keepIfSame(previous(), toNames(counts))),
        }),
      ),
    followAll: ({ offer, previous, signal }) =>
      connection.run((client) => {
        let services = previous()
        return followFolders<FoundNode>(client, root, {
          signal,
          read: (folder) => nodeReader(serviceOfNode(folder) ?? ''),
          isFolder: (folder) => serviceOfNode(folder) !== undefined,
          onMissing: frameOf(client),
          onChange(folders, changed) {
            services = readFolders(folders, changed, services)
            offer(services)
          },
        })
      }),
    close: () => connection.close(),
  })
  return assembled.registry
}

function createNodeReader(name: string, service: string): ChildReader<FoundNode> {
  return async (client, path, watched) => {
    const found = await client.read(path, watched)
    return found && readNode(name, service, path.slice(path.lastIndexOf('/') + 1), found.text)
  }
}

function createDriver(
  connection: ZooKeeperConnection,
  keyOf: (service: string, id: string) => string,
  chroot: string,
): RegistrationDriver {
  return {
    async put(instance, { incarnation, signal }) {
      const data = toDocument(instance, incarnation)
      await connection.run((client) => putNode(client, keyOf(instance.service, instance.id), data, { chroot, signal }))
    },
    renew: ({ service, id }, { incarnation }) =>
      connection.run(async (client) => {
        const key = keyOf(service, id)
        const found = await client.exists(key)
        if (found?.own) return 'renewed'
        const node = found && (await client.read(key))
        // Our node of a previous session expires with that session.
        return !node || readIncarnation(node.text) === incarnation ? 'lost' : 'superseded'
      }),
    remove: ({ service, id }, { incarnation }) => connection.run((client) => removeNode(client, keyOf(service, id), incarnation)),
  }
}

function readNode(name: string, service: string, node: string, text: string): FoundNode {
  const [instance] = decodeEntries(name, service, [node], () => readDocument(service, node, text)?.instance)
  return { instance }
}

const countReader: ChildReader<number> = async (client, path, watched) => (await client.children(path, watched))?.length

function toInstances(nodes: ReadonlyMap<string, FoundNode>): readonly ServiceInstance[] {
  return [...nodes.values()].flatMap(({ instance }) => instance ?? [])
}

/** A service exists while an instance is registered below it; its empty folder stays. */
function toNames(counts: ReadonlyMap<string, number>): readonly string[] {
  return [...counts].flatMap(([node, count]) => (count > 0 ? (serviceOfNode(node) ?? []) : [])).sort()
}

/** Returns all services from the nodes of their folders. @param changed the folders to read, if not all */
function readFolders(
  folders: ReadonlyMap<string, ReadonlyMap<string, FoundNode>>,
  changed: ReadonlySet<string> | undefined,
  services: AllServices | undefined,
): AllServices {
  const read = Array.from(changed ?? folders.keys(), (folder) => {
    const service = unescapeName(folder)
    const instances = toInstances(folders.get(folder) ?? new Map())
    return createSnapshot({ service, instances, previous: services?.get(service) })
  })
  return changed && services ? replaceServices(services, read) : collectServices(read, services)
}

function toDocument(instance: ServiceInstance, incarnation: string): Buffer {
  const document = Buffer.from(encodeInstance(instance, incarnation))
  if (document.length <= maxDocumentBytes) return document
  throw new SdError('SD_TOO_LARGE', `instance ${instance.id} has ${document.length} bytes, want at most ${maxDocumentBytes}`)
}
