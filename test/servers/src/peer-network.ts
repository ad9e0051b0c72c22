import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { readdir, readFile, readlink } from 'node:fs/promises'
import { connect, createServer, type Server, type Socket } from 'node:net'

/** The address at which members of a cluster reach each other. They listen at the same ports of 127.0.0.1. */
export const peerAddress = '127.0.0.2'

/** Who is behind a port of {@link startPeerNetwork}. */
export interface Peer {
  /** Ports at which it listens for other members. */
  readonly ports: readonly number[]
  /** The one of them that takes datagrams too. */
  readonly datagramPort?: number
  /** The member's process; `undefined` while it does not run. */
  pid(): number | undefined
}

/** The network between the members of a cluster. */
export interface PeerNetwork extends AsyncDisposable {
  /** Holds every byte between this member and the others, in both directions. Connections stay open, and new ones get no answer. */
  cutOff(peer: Peer): Promise<void>
  /** Lets everything through again, what was held too. */
  heal(): void
  /** Closes every connection. */
  close(): Promise<void>
}

/** Two ends that are joined, and who they belong to. */
interface Link {
  readonly from: Socket
  readonly to: Socket
  readonly target: Peer
}

/**
 * Passes on what members send to {@link peerAddress}. A member has one address for all others, so who dials is told by the kernel's table
 * of sockets: Linux only, and without a right that a user does not have.
 */
export async function startPeerNetwork(peers: readonly Peer[]): Promise<PeerNetwork> {
  const links = new Set<Link>()
  let lost: Peer | undefined

  const isHeld = (source: Peer | undefined, target: Peer): boolean =>
    lost !== undefined && (source === lost) !== (target === lost)

  async function open(port: number, target: Peer): Promise<Server> {
    const server = createServer({ pauseOnConnect: true }, (from) => {
      const to = connect({ port, host: '127.0.0.1' })
      const link = { from, to, target }
      links.add(link)
      for (const [one, other] of [
        [from, to],
        [to, from],
      ] as const) {
        one.on('error', () => other.destroy())
        one.on('close', () => {
          links.delete(link)
          other.destroy()
        })
        one.pipe(other)
      }
      if (lost) void hold(link)
    })
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, peerAddress, resolve))
    return server
  }

  /** Holds a link if it crosses the cut; until its owner is known nothing passes. */
  async function hold(link: Link): Promise<void> {
    link.from.unpipe().pause()
    link.to.unpipe().pause()
    const source = await findOwner(link.from, peers)
    if (!isHeld(source, link.target)) release(link)
  }

  function release({ from, to }: Link): void {
    if (from.destroyed || to.destroyed) return
    from.pipe(to)
    to.pipe(from)
  }

  const datagrams = new Map<number, UdpSocket>()
  async function openDatagrams(port: number, target: Peer): Promise<void> {
    const socket = createSocket('udp4')
    socket.on('message', (bytes, { port: sender }) => {
      const source = peers.find(({ datagramPort }) => datagramPort === sender)
      if (!isHeld(source, target)) datagrams.get(sender)?.send(bytes, port, '127.0.0.1')
    })
    socket.on('error', () => undefined)
    datagrams.set(port, socket)
    await new Promise<void>((resolve) => socket.bind(port, peerAddress, resolve))
  }

  const servers = await Promise.all(peers.flatMap((peer) => peer.ports.map((port) => open(port, peer))))
  for (const peer of peers) if (peer.datagramPort) await openDatagrams(peer.datagramPort, peer)

  const network: PeerNetwork = {
    async cutOff(peer) {
      lost = peer
      await Promise.all([...links].map(hold))
    },
    heal() {
      lost = undefined
      for (const link of links) release(link)
    },
    async close() {
      for (const socket of datagrams.values()) socket.close()
      for (const { from, to } of links) {
        from.destroy()
        to.destroy()
      }
      await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
    },
    [Symbol.asyncDispose]: () => network.close(),
  }
  return network
}

/** Which of the members has dialled. */
async function findOwner({ remotePort = 0, localPort = 0 }: Socket, peers: readonly Peer[]): Promise<Peer | undefined> {
  const inode = await findInode(remotePort, localPort)
  for (const peer of peers) {
    const folder = `/proc/${peer.pid()}/fd`
    const files = await readdir(folder).catch(() => [])
    for (const file of files) {
      if ((await readlink(`${folder}/${file}`).catch(() => '')) === `socket:[${inode}]`) return peer
    }
  }
  return undefined
}

/** The inode of the socket that has these ports, as /proc/net/tcp lists it: local and remote address in its second and third column. */
async function findInode(localPort: number, remotePort: number): Promise<string | undefined> {
  const hexadecimal = (port: number): string => `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  for (const table of ['/proc/net/tcp', '/proc/net/tcp6']) {
    for (const line of (await readFile(table, 'utf8').catch(() => '')).split('\n').slice(1)) {
      const columns = line.trim().split(/\s+/)
      if (columns[1]?.endsWith(hexadecimal(localPort)) && columns[2]?.endsWith(hexadecimal(remotePort))) return columns[9]
    }
  }
  return undefined
}
