import type { InstanceList } from './instance-list.ts'
import { type ServerMode, SimulatedServer, type SimulatedTransport } from './network.ts'
import type { VirtualTime } from './virtual-time.ts'

/** What a fault works on. */
export interface FaultScene {
  /** The clock. */
  readonly time: VirtualTime
  /** All servers; a fault may add some. */
  readonly servers: SimulatedServer[]
  /** The registry. */
  readonly list: InstanceList
  /** Where added servers become reachable. */
  readonly transport: SimulatedTransport
  /** How long the fault lasts, in milliseconds. */
  readonly durationMs: number
}

/** What callers may see of a fault. */
export type FaultReach =
  /** All instances are affected: calls fail while it lasts. */
  | 'all'
  /** Half are affected: with retries, most calls succeed. */
  | 'half'
  /** One is affected: with retries, few calls fail. */
  | 'one'
  /** Nothing that fails is on the way of a call. */
  | 'none'

/** One kind of fault. */
export interface Fault {
  /** Its name in reports. */
  readonly name: string
  /** What callers may see, with so many instances. */
  reach(size: number): FaultReach
  /** Whether calls that begin during the fault are silent until their deadline, so that they fail late. */
  readonly isSilent: boolean
  /** How long it lasts from its beginning to its end, where that is not its duration. */
  lastsMs?(durationMs: number, size: number): number
  /** How long the client's process stands still at most at one time: nothing can end in it. */
  standsStillMs?(durationMs: number): number
  /** Begins it now; it ends by itself. */
  begin(scene: FaultScene): void
}

/** How long a fault lasts, in milliseconds. */
export function faultLength({ fault, durationMs, size }: { fault: Fault; durationMs: number; size: number }): number {
  return fault.lastsMs?.(durationMs, size) ?? durationMs
}

/** Time from the end of one restart to the beginning of the next, at least, in milliseconds. */
function restartStep(durationMs: number, size: number): number {
  return Math.max(1_200, durationMs / size)
}

/** Puts the first `share` of the servers in a mode. */
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

/** One server alternates every 300 ms. */
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

/** A server dies, and the registry notices after the fault's duration; then it comes back. */
const kill: Fault = {
  name: 'one killed',
  reach: (size) => (size === 1 ? 'all' : 'one'),
  isSilent: false,
  begin({ time, servers, list, durationMs }) {
    const [server] = servers as [SimulatedServer]
    server.mode = 'down'
    // A short one is over before the registry notices.
    if (durationMs >= 500) time.schedule(durationMs / 2, () => list.remove(server.instance))
    time.schedule(durationMs - 60, () => {
      server.mode = 'up'
      list.add(server.instance)
    })
  },
}

/** One after the other leaves the list, drains, stops and comes back. */
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
const allGone: Fault = {
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

/** The list lacks one instance that serves, again and again. */
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

/** As many instances again are added. */
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
  standsStillMs: (durationMs) => durationMs,
  begin({ time, durationMs }) {
    time.schedule(1, () => time.standStill(durationMs))
  },
}

/** How long a starved client gets no processor, and how often, in milliseconds. */
const starvedMs = 480
const starvedEveryMs = 500

/** The client's process gets a tenth of a processor. */
const clientStarves: Fault = {
  name: 'client starves',
  reach: () => 'none',
  isSilent: false,
  standsStillMs: () => starvedMs,
  begin({ time, durationMs }) {
    for (let at = 1; at < durationMs; at += starvedEveryMs) time.schedule(at, () => time.standStill(starvedMs))
  },
}

/** All faults. */
export const faults: readonly Fault[] = [
  modeFault('all answer 503', 'error', 'all'),
  modeFault('all refuse', 'down', 'all'),
  modeFault('all hang', 'hang', 'all'),
  modeFault('all dropped', 'black-hole', 'all'),
  modeFault('all slow', 'slow', 'all'),
  modeFault('one answers 503', 'error', 'one'),
  modeFault('one refuses', 'down', 'one'),
  modeFault('one hangs', 'hang', 'one'),
  modeFault('one dropped', 'black-hole', 'one'),
  modeFault('one slow', 'slow', 'one'),
  modeFault('half answer 503', 'error', 'half'),
  modeFault('half hang', 'hang', 'half'),
  modeFault('half dropped', 'black-hole', 'half'),
  flapFault('one flaps: 503', 'error'),
  flapFault('one flaps: refuses', 'down'),
  flapFault('one flaps: hangs', 'hang'),
  kill,
  rollingRestart,
  allGone,
  registryLoss,
  registryFlap,
  scaleUp,
  clientStops,
  clientStarves,
]
