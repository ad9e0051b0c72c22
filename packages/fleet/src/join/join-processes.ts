import type { FleetProcess } from '../model.ts'
import type { ProcessEntry } from '../process/process-table.ts'
import { addressOf, type InstanceName, instancesOfProcess, keyOfInstance, processName } from './names.ts'

/** The processes of a fleet, and what they are. */
export interface JoinedProcesses {
  readonly processes: readonly FleetProcess[]
  /** The entry of each process, by its id in the model. */
  readonly entries: ReadonlyMap<string, ProcessEntry>
  /** Ids of processes by instance, see `keyOfInstance`. */
  readonly byInstance: ReadonlyMap<string, string>
  /** Processes that have the id of another one, or that are the same instance as another one. */
  readonly clashes: readonly ProcessClash[]
}

/** Two processes that can't be told apart. */
export interface ProcessClash {
  /** The id, if it is the id of the process. */
  readonly processId?: string
  /** The instance, if both say that they are this instance. */
  readonly instance?: InstanceName
  readonly addresses: readonly [string, string]
}

/** Names the processes. Two endpoints of one process are one process. */
export function joinProcesses(entries: Iterable<ProcessEntry>): JoinedProcesses {
  const sorted = [...entries].filter(({ state }) => state !== 'new').sort((a, b) => rankOf(a) - rankOf(b))
  const byId = new Map<string, ProcessEntry>()
  const byInstance = new Map<string, string>()
  const clashes: ProcessClash[] = []
  const processes: FleetProcess[] = []
  for (const entry of sorted) {
    const own = entry.snapshot?.info.processId ?? addressOf(entry)
    const other = byId.get(own)
    if (other && isSameProcess(entry, other)) {
      for (const instance of instancesOfProcess(entry))
        if (!byInstance.has(keyOfInstance(instance))) byInstance.set(keyOfInstance(instance), own)
      continue
    }
    const processId = other ? `${own}@${addressOf(entry)}` : own
    if (other) clashes.push({ processId: own, addresses: [addressOf(other), addressOf(entry)] })
    byId.set(processId, entry)
    for (const instance of instancesOfProcess(entry)) {
      const key = keyOfInstance(instance)
      const known = byInstance.get(key)
      const holder = known === undefined ? undefined : byId.get(known)
      if (!holder) byInstance.set(key, processId)
      else if (entry.state === 'answers' && holder.state === 'answers' && !other) {
        clashes.push({ instance, addresses: [addressOf(holder), addressOf(entry)] })
      }
    }
    processes.push(toProcess(processId, entry))
  }
  return { processes: processes.sort(byName), entries: byId, byInstance, clashes }
}

/** Processes that answer name themselves first. */
function rankOf({ state, snapshot }: ProcessEntry): number {
  return state === 'answers' ? 0 : snapshot ? 1 : 2
}

/** Whether two endpoints with one id are of the same process. */
export function isSameProcess({ snapshot: a }: ProcessEntry, { snapshot: b }: ProcessEntry): boolean {
  const [one, two] = [a?.info, b?.info]
  return one?.host === two?.host && one?.pid === two?.pid && one?.thread === two?.thread && one?.startedAt === two?.startedAt
}

function toProcess(processId: string, entry: ProcessEntry): FleetProcess {
  const { state, since, lastError, snapshot, answeredAt, clockOffsetMs, target } = entry
  const info = snapshot?.info
  return {
    processId,
    name: processName(entry),
    services: instancesOfProcess(entry),
    address: target.origin,
    state: state === 'new' ? 'silent' : state,
    since,
    answeredAt,
    lastError,
    clockOffsetMs,
    host: info?.host,
    pid: info?.pid,
    startedAt: info && info.startedAt + clockOffsetMs,
    node: info?.node,
    packages: info?.packages ?? {},
    controls: info?.controls ?? [],
    system: snapshot?.system,
    states: snapshot?.states ?? [],
    lifecycles: snapshot?.lifecycles ?? [],
    health: snapshot?.health ?? [],
    configs: snapshot?.configs ?? [],
    alerts: snapshot?.alerts ?? [],
    locks: snapshot?.locks ?? [],
    gateways: snapshot?.gateways ?? [],
  }
}

function byName(a: FleetProcess, b: FleetProcess): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : a.processId < b.processId ? -1 : 1
}
