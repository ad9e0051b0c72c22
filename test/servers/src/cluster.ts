import { startConsul } from './consul.ts'
import { startEtcd } from './etcd.ts'
import { freePort } from './network.ts'
import { type Peer, peerAddress, startPeerNetwork } from './peer-network.ts'
import type { ServerSource } from './sources.ts'
import type { TestServer } from './test-server.ts'
import { queryZooKeeper, startZooKeeper } from './zookeeper.ts'

/** One member of a cluster. */
export interface ClusterMember {
  readonly server: TestServer
  /** Port for clients on 127.0.0.1. */
  readonly port: number
}

/** A cluster of three members whose network is controlled by the test. Linux only. */
export interface Cluster extends AsyncDisposable {
  readonly members: readonly ClusterMember[]
  /** Ports for clients on 127.0.0.1: the members' own, or that of an additional agent. */
  readonly clientPorts: readonly number[]
  /** Returns the leader, as reported by one of these members. @throws Error while none of them knows a leader */
  leader(among?: readonly ClusterMember[]): Promise<ClusterMember>
  /** Holds all traffic between this member and the others. Clients can still reach it. */
  cutOff(member: ClusterMember): Promise<void>
  /** @throws Error while the cluster could not lose another member: a restarted Consul server is not a voter at first */
  assertWhole(): Promise<void>
  /** Restores the traffic. */
  heal(): void
  /** Stops all members. */
  close(): Promise<void>
}

/** How a kind of server forms a cluster. */
interface ClusterPlan {
  /** Number of ports of a member for the others. */
  readonly portCount: number
  /** Whether the last of these ports also accepts datagrams. */
  readonly hasDatagrams?: boolean
  /** Starts a member. @param ports the ports of all members */
  start(index: number, ports: readonly (readonly number[])[]): Promise<TestServer & { readonly port: number }>
  /** @throws Error while a member is not a voter */
  assertWhole?(leader: ClusterMember): Promise<void>
  /** Whether the last member is an agent for clients that does not take part in elections. */
  readonly hasAgent?: boolean
  /** Returns the index of the leader, as reported by this member; -1 if it knows none. */
  findLeader(member: ClusterMember, members: readonly ClusterMember[], ports: readonly (readonly number[])[]): Promise<number>
}

/** Starts three members of etcd. */
export function startEtcdCluster(source: ServerSource): Promise<Cluster> {
  const url = (address: string, [port]: readonly number[] = []): string => `http://${address}:${port}`
  return startCluster({
    portCount: 1,
    start: (index, ports) =>
      startEtcd(source, {
        args: [
          ...['--name', `m${index}`, '--listen-peer-urls', url('127.0.0.1', ports[index])],
          ...['--initial-advertise-peer-urls', url(peerAddress, ports[index])],
          ...['--initial-cluster', ports.map((own, other) => `m${other}=${url(peerAddress, own)}`).join(',')],
        ],
      }),
    async findLeader(member, members) {
      const { leader } = await queryEtcd(member)
      const ids = await Promise.all(members.map(async (one) => (await queryEtcd(one).catch(() => undefined))?.header.member_id))
      return leader === undefined || leader === '0' ? -1 : ids.indexOf(leader)
    },
  })
}

/** Starts three Consul servers, and an agent for clients. */
export function startConsulCluster(source: ServerSource): Promise<Cluster> {
  return startCluster({
    portCount: 2,
    hasDatagrams: true,
    hasAgent: true,
    start: (index, ports) => {
      const [server = 0, serf = 0] = ports[index] ?? []
      return startConsul(source, {
        peerPorts: { server, serf },
        config: {
          ...{ server: index < 3, bootstrap_expect: index < 3 ? 3 : undefined },
          ...{ node_name: `m${index}`, advertise_addr: peerAddress },
          retry_join: ports.map(([, port]) => `${peerAddress}:${port}`),
          retry_interval: '1s',
          autopilot: { server_stabilization_time: '1s' },
        },
      })
    },
    async findLeader({ port }, _members, ports) {
      const leader = await ask(`http://127.0.0.1:${port}/v1/status/leader`)
      return ports.findIndex(([server]) => leader === `${peerAddress}:${server}`)
    },
    async assertWhole({ port }) {
      const { Servers } = (await ask(`http://127.0.0.1:${port}/v1/operator/raft/configuration`)) as {
        readonly Servers: readonly { readonly Voter: boolean }[]
      }
      const votes = Servers.filter(({ Voter }) => Voter).length
      if (votes < 3) throw new Error(`${votes} of 3 servers are voters`)
    },
  })
}

/** Starts an ensemble of three. */
export function startZooKeeperCluster(source: ServerSource): Promise<Cluster> {
  return startCluster({
    portCount: 2,
    start: (index, ports) =>
      startZooKeeper(source, {
        quorum: {
          id: index + 1,
          // A member listens at the address in its own line, so only that line has another address.
          servers: ports.map(([quorum, election], other) => {
            return `${other === index ? '127.0.0.1' : peerAddress}:${quorum}:${election}`
          }),
        },
      }),
    async findLeader(_member, members) {
      const modes = await Promise.all(members.map(({ port }) => queryZooKeeper(port).catch(() => '')))
      return modes.findIndex((status) => status.includes('Mode: leader'))
    },
  })
}

async function startCluster(plan: ClusterPlan): Promise<Cluster> {
  const ports: number[][] = []
  for (let index = 0; index < (plan.hasAgent ? 4 : 3); index++) {
    const own: number[] = []
    while (own.length < plan.portCount) own.push(await freePort())
    ports.push(own)
  }
  const started: ClusterMember[] = []
  const peers = ports.map((own, index): Peer => {
    const datagramPort = plan.hasDatagrams ? own.at(-1) : undefined
    return { ports: own, ...(datagramPort && { datagramPort }), pid: () => started[index]?.server.pid() }
  })
  const network = await startPeerNetwork(peers)
  const starts = await Promise.allSettled(ports.map((_, index) => plan.start(index, ports)))
  const failed = starts.find((one) => one.status === 'rejected')
  for (const one of starts) if (one.status === 'fulfilled') started.push({ server: one.value, port: one.value.port })
  const members = started.slice(0, 3)

  const cluster: Cluster = {
    members,
    clientPorts: (plan.hasAgent ? started.slice(3) : members).map(({ port }) => port),
    async leader(among = members) {
      const reports: string[] = []
      for (const member of among) {
        const index = await plan.findLeader(member, members, ports).catch((error: unknown) => {
          reports.push(`${member.port} reported ${String(error)}`)
          return -1
        })
        const leader = members[index]
        if (leader && among.includes(leader)) return leader
      }
      throw new Error(`no leader${reports.length > 0 ? `: ${reports.join(', ')}` : ''}`)
    },
    async assertWhole() {
      await plan.assertWhole?.(await cluster.leader())
    },
    cutOff: (member) => network.cutOff(peers[members.indexOf(member)] as Peer),
    heal: () => network.heal(),
    async close() {
      await Promise.all(started.map(({ server }) => server.close()))
      await network.close()
    },
    [Symbol.asyncDispose]: () => cluster.close(),
  }
  if (failed) {
    await cluster.close()
    throw failed.reason
  }
  return cluster
}

async function ask(url: string, body?: string): Promise<unknown> {
  const response = await fetch(url, { signal: AbortSignal.timeout(1_000), ...(body && { method: 'POST', body }) })
  const text = await response.text()
  if (!response.ok) throw new Error(`${response.status} ${text}`)
  return JSON.parse(text)
}

async function queryEtcd({
  port,
}: ClusterMember): Promise<{ readonly leader?: string; readonly header: { readonly member_id: string } }> {
  return (await ask(`http://127.0.0.1:${port}/v3/maintenance/status`, '{}')) as Awaited<ReturnType<typeof queryEtcd>>
}
