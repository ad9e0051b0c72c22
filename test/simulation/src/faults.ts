import type { InstanceList } from './instance-list.ts'
import { type ServerMode, SimulatedServer, type SimulatedTransport } from './network.ts'
import type { VirtualTime } from './virtual-time.ts'

/** What a fault can affect. */
export interface FaultScene {
  readonly time: VirtualTime
  /** All servers; a fault may add some. */
  readonly servers: SimulatedServer[]
  /** The registry. */
  readonly list: InstanceList
  /** Makes added servers reachable. */
  readonly transport: SimulatedTransport
  /** Duration of the fault, in milliseconds. */
  readonly durationMs: number
}

/** Effect of a fault on callers. */
export type FaultReach =
  /** All instances are affected: calls fail until it ends. */
  | 'all'
  /** Half are affected: with retries, most calls succeed. */
  | 'half'
  /** One is affected: with retries, few calls fail. */
  | 'one'
  /** No fault is on the path of a call. */
  | 'none'

/** One kind of fault. */
export interface Fault {
  /** Name in reports. */
  readonly name: string
  /** Returns the effect on callers with this number of instances. */
  reach(size: number): FaultReach
  /** Whether calls that begin during the fault get no response until their deadline, so that they fail late. */
  readonly isSilent: boolean
  /** Returns the time from its beginning to its end, if it differs from the duration. */
  lastsMs?(durationMs: number, size: number): number
  /** Returns the longest time for which the client's process stands still. No call can end in that time. */
  stallMs?(durationMs: number): number
  /** Starts the fault, which ends on its own. */
  begin(scene: FaultScene): void
}

/** Returns the duration of a fault, in milliseconds. */
export function faultLength({ fault, durationMs, size }: { fault: Fault; durationMs: number; size: number }): number {
  return fault.lastsMs?.(durationMs, size) ?? durationMs
}

/** Minimum time between the starts of two restarts, in milliseconds. */
function restartStep(durationMs: number, size: number): number {
  return Math.max(1_200, durationMs / size)
}

/** Creates a fault that puts a share of the servers in a mode. */
function modeFault(name: string, mode: ServerMode, share: 'one' | 'half' | 'all'): Fault {
  return {
    name,
    reach: (size) => (share === 'all' || size === 1 ? 'all' : share),
    isSilent: mode === 'hang' || mode === 'black-hole' || mode === 'slow',
    begin({ time, servers, durationMs }) {
      const count = { one: 1, half: Math.ceil(servers.length / 2), all: servers.length }[share]
      const affected = servers.slice(0, count)
      for (const server of affected) server.mode = mode
      time.schedule(durationMs, () => {
        for (const server of affected) server.mode = 'up'
      })
    },
  }
}

/** Creates a fault in which one server alternates every 300 ms. */
function flapFault(name: string, mode: ServerMode): Fault {
  return {
    name,
    reach: (size) => (size === 1 ? 'all' : 'one'),
    isSilent: mode === 'hang',
    begin({ time, servers, durationMs }) {
      const [server] = servers as [SimulatedServer]
      for (let at = 0; at < durationMs; at += 600) {
        time.schedule(at, () => {
          server.mode = mode
        })
        time.schedule(Math.min(durationMs, at + 300), () => {
          server.mode = 'up'
        })
      }
    },
  }
}

/** A server dies, the registry notices during the fault, and then the server returns. */
const kill: Fault = {
  name: 'one killed',
  reach: (size) => (size === 1 ? 'all' : 'one'),
  isSilent: false,
  begin({ time, servers, list, durationMs }) {
    const [server] = servers as [SimulatedServer]
    server.mode = 'down'
    // A short fault is over before the registry notices.
    if (durationMs >= 500) time.schedule(durationMs / 2, () => list.remove(server.instance))
    time.schedule(durationMs - 60, () => {
      server.mode = 'up'
      list.add(server.instance)
    })
  },
}

/** The servers leave the list, drain, stop and return, one after another. */
const rollingRestart: Fault = {
  name: 'rolling restart',
  reach: (size) => (size === 1 ? 'all' : 'none'),
  isSilent: false,
  lastsMs: (durationMs, size) => size * restartStep(durationMs, size),
  begin({ time, servers, list, durationMs }) {
    const stepMs = restartStep(durationMs, servers.length)
    for (const [index, server] of servers.entries()) {
      time.schedule(index * stepMs, () => list.remove(server.instance))
      time.schedule(index * stepMs + 900, () => {
        server.mode = 'down'
      })
      time.schedule(index * stepMs + 1_100, () => {
        server.mode = 'up'
        list.add(server.instance)
      })
    }
  },
}

/** All instances stop and leave the list. */
const allRemoved: Fault = {
  name: 'all removed and down',
  reach: () => 'all',
  isSilent: false,
  begin({ time, servers, list, durationMs }) {
    for (const server of servers) {
      server.mode = 'down'
      list.remove(server.instance)
    }
    time.schedule(durationMs - 60, () => {
      for (const server of servers) {
        server.mode = 'up'
        list.add(server.instance)
      }
    })
  },
}

const registryLoss: Fault = {
  name: 'registry unreachable',
  reach: () => 'none',
  isSilent: false,
  begin({ time, list, durationMs }) {
    list.isReachable = false
    time.schedule(durationMs, () => {
      list.isReachable = true
    })
  },
}

/** One serving instance is missing from the list repeatedly. */
const registryFlap: Fault = {
  name: 'list flaps',
  reach: (size) => (size === 1 ? 'all' : 'none'),
  isSilent: false,
  begin({ time, servers, list, durationMs }) {
    const [server] = servers as [SimulatedServer]
    for (let at = 0; at < durationMs - 260; at += 400) {
      time.schedule(at, () => list.remove(server.instance))
      time.schedule(at + 200, () => list.add(server.instance))
    }
  },
}

/** The number of instances is doubled. */
const scaleUp: Fault = {
  name: 'scale up',
  reach: () => 'none',
  isSilent: false,
  begin({ time, servers, list, transport }) {
    for (let count = servers.length; count > 0; count--) {
      const server = new SimulatedServer(servers.length, time)
      servers.push(server)
      transport.add(server)
      list.add(server.instance)
    }
  },
}

/** The client's process stands still: stopped, or in a long pause. */
const clientStops: Fault = {
  name: 'client stands still',
  reach: () => 'none',
  isSilent: false,
  stallMs: (durationMs) => durationMs,
  begin({ time, durationMs }) {
    time.schedule(1, () => time.standStill(durationMs))
  },
}

/** Duration and interval of the pauses of a starved client, in milliseconds. */
const starvedMs = 480
const starvedEveryMs = 500

/** The client's process gets a small share of a processor. */
const clientStarves: Fault = {
  name: 'client starves',
  reach: () => 'none',
  isSilent: false,
  stallMs: () => starvedMs,
  begin({ time, durationMs }) {
    for (let at = 1; at < durationMs; at += starvedEveryMs) time.schedule(at, () => time.standStill(starvedMs))
  },
}

/** All faults. */
export const faults: readonly Fault[] = [
  modeFault('all return 503', 'error', 'all'),
  modeFault('all refuse', 'down', 'all'),
  modeFault('all hang', 'hang', 'all'),
  modeFault('all dropped', 'black-hole', 'all'),
  modeFault('all slow', 'slow', 'all'),
  modeFault('one returns 503', 'error', 'one'),
  modeFault('one refuses', 'down', 'one'),
  modeFault('one hangs', 'hang', 'one'),
  modeFault('one dropped', 'black-hole', 'one'),
  modeFault('one slow', 'slow', 'one'),
  modeFault('half return 503', 'error', 'half'),
  modeFault('half hang', 'hang', 'half'),
  modeFault('half dropped', 'black-hole', 'half'),
  flapFault('one flaps: 503', 'error'),
  flapFault('one flaps: refuses', 'down'),
  flapFault('one flaps: hangs', 'hang'),
  kill,
  rollingRestart,
  allRemoved,
  registryLoss,
  registryFlap,
  scaleUp,
  clientStops,
  clientStarves,
]
