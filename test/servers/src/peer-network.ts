import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { readdir, readFile, readlink } from 'node:fs/promises'
import { connect, createServer, type Server, type Socket } from 'node:net'

/** The address at which members of a cluster reach each other. They listen on the same ports of 127.0.0.1. */
export const peerAddress = '127.0.0.2'

/** The member behind a port of {@link startPeerNetwork}. */
export interface Peer {
  /** Ports on which it listens for other members. */
  readonly ports: readonly number[]
  /** The port that also accepts datagrams. */
  readonly datagramPort?: number
  /** Process id of the member; `undefined` while it does not run. */
  pid(): number | undefined
}

/** The network between the members of a cluster. */
export interface PeerNetwork extends AsyncDisposable {
  /**
   * Holds all traffic between this member and the others, in both directions. Connections stay open, and new ones get no
   * response.
   */
  cutOff(peer: Peer): Promise<void>
  /** Restores all traffic, and delivers what was held. */
  heal(): void
  /** Closes every connection. */
  close(): Promise<void>
}

/** Two connected sockets, and the member they lead to. */
interface Link {
  readonly from: Socket
  readonly to: Socket
  readonly target: Peer
}

/**
 * Forwards what members send to {@link peerAddress}. All members share that address, so the sender is looked up in the
 * kernel's table of sockets. Linux only; needs no special permission.
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

  /** Holds a link if it crosses the cut. Nothing passes until its owner is known. */
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

/** Returns the member that opened the connection. */
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

/**
 * Returns the inode of the socket with these ports from /proc/net/tcp, which has the local and the remote address in its
 * second and third column.
 */
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
