import type { FleetInstance, FleetProcess, FleetService } from '../model.ts'
import type { Facts, Finding, Rule } from './rule.ts'
import { duration, list, millis, short } from './words.ts'

/** How many times slower than its siblings. */
const factor = 3
const minAttempts = 50
/** Smaller differences are noise. */
const minDifferenceMs = 5
/** Fewest calls of a process to a service that are compared. */
const minCalls = 20

/** An instance is much slower than its siblings; and whether the time is its own, or that of services that it calls. */
export const slowInstance: Rule = {
  name: 'slow-instance',
  *find(facts): Iterable<Finding> {
    for (const service of facts.model.services) {
      const measured = service.instances.filter(({ traffic }) => traffic.total >= minAttempts && traffic.meanMs !== undefined)
      if (measured.length < 2) continue
      for (const instance of measured) {
        const siblings = measured.filter((other) => other !== instance)
        const usualMs = medianOf(siblings.map(({ traffic }) => traffic.meanMs ?? 0))
        const ownMs = instance.traffic.meanMs ?? 0
        if (ownMs < factor * usualMs || ownMs - usualMs < minDifferenceMs) continue
        yield judge(facts, service, instance, siblings, usualMs)
      }
    }
  },
}

function judge(
  facts: Facts,
  { service }: FleetService,
  instance: FleetInstance,
  siblings: readonly FleetInstance[],
  usualMs: number,
): Finding {
  const { instanceId, processId, traffic } = instance
  const process = processId === undefined ? undefined : facts.processes.get(processId)
  const blame = process?.state === 'answers' ? findBlame(facts, process, siblings) : undefined
  const slower = blame?.slower ?? []
  const times = (traffic.meanMs ?? 0) / Math.max(usualMs, 0.1)
  return {
    key: `${service}/${instanceId}`,
    severity: 'warning',
    about: { service, instanceId, processId },
    text: `${short(instanceId)} of ${short(service)} is ${times.toPrecision(2)} times as slow as its siblings; ${verdict(blame)}`,
    evidence: [
      `Mean of ${traffic.total} attempts in the last minute: ${millis(traffic.meanMs ?? 0)}; median of its siblings: ${millis(usualMs)}`,
      ...(blame?.evidence ?? []),
      ...(process?.system ? [describeSystem(process.system)] : []),
    ],
    next:
      slower.length > 0
        ? `Look at ${list(slower)} as this instance sees it.`
        : 'Look at its CPU, event loop, databases and slowest calls. Draining it takes it out of traffic.',
  }
}

interface Blame {
  /** Called services that answer it more slowly than they answer its siblings. */
  readonly slower: readonly string[]
  readonly evidence: readonly string[]
}

/** Compares the calls that a process makes with those of its siblings. */
function findBlame(facts: Facts, process: FleetProcess, siblings: readonly FleetInstance[]): Blame {
  const slower: string[] = []
  const evidence: string[] = []
  const called = new Set(
    facts.model.edges.filter(({ from }) => process.services.some(({ service }) => service === from)).map(({ to }) => to),
  )
  for (const to of called) {
    const own = facts.pair(process.processId, to)
    const others = siblings
      .flatMap(({ processId }) => (processId === undefined ? [] : facts.pair(processId, to)))
      .filter(({ total, meanMs }) => total >= minCalls && meanMs !== undefined)
    if (own.total < minCalls || own.meanMs === undefined || others.length === 0) continue
    const usualMs = medianOf(others.map(({ meanMs }) => meanMs ?? 0))
    const isSlower = own.meanMs >= factor * usualMs && own.meanMs - usualMs >= minDifferenceMs
    if (isSlower) slower.push(to)
    evidence.push(
      `Its calls to ${short(to)} ${isSlower ? 'are slower too' : 'are not slower'}: ${millis(own.meanMs)}, its siblings ${millis(usualMs)}`,
    )
  }
  return { slower, evidence: evidence.slice(0, 5) }
}

function verdict(blame: Blame | undefined): string {
  if (blame === undefined) return 'whether the time is its own is not known, because its process does not answer'
  if (blame.slower.length > 0) return `its calls to ${list(blame.slower)} are slower too`
  return blame.evidence.length > 0
    ? 'its own calls are not slower, so the time is its own'
    : 'it makes no calls that could explain it'
}

function describeSystem({ cpu, loopDelayMs, heapUsedBytes, heapLimitBytes }: NonNullable<FleetProcess['system']>): string {
  const heap = heapLimitBytes > 0 ? `, heap ${Math.round((heapUsedBytes / heapLimitBytes) * 100)} % of its limit` : ''
  return `CPU ${Math.round(cpu * 100)} %, event loop delayed by ${duration(loopDelayMs)}${heap}`
}

function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  const upper = sorted[middle] ?? 0
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? 0) + upper) / 2
}
