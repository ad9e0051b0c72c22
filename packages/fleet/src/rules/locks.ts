import type { FleetProcess, Ref } from '../model.ts'
import type { Finding, Rule } from './rule.ts'
import { groupBy, processes, short } from './words.ts'

/** A lock is held by a process that does not answer, or by several processes. */
export const locks: Rule = {
  name: 'lock',
  *find({ model }): Iterable<Finding> {
    const held = model.processes.flatMap((process) => process.locks.map((lock) => ({ process, lock })))
    for (const [name, holders] of groupBy(held, ({ lock }) => `${lock.lock}/${lock.key}`)) {
      const live = holders.filter(({ process }) => process.state === 'answers')
      const silent = holders.filter(({ process }) => process.state === 'silent')
      if (live.length > 1) yield describeTwice(name, live)
      else if (silent.length > 0)
        yield describeSilent(
          name,
          silent.map(({ process }) => process),
          live[0]?.process,
        )
    }
  },
}

type Holder = { readonly process: FleetProcess; readonly lock: FleetProcess['locks'][number] }

function describeTwice(name: string, holders: readonly Holder[]): Finding {
  return {
    key: name,
    severity: 'critical',
    about: aboutOf(holders[0]?.process),
    text: `The lock ${short(name)} is held by ${processes(holders.map(({ process }) => process))} at the same time`,
    evidence: holders.slice(0, 5).map(({ process, lock }) => `${short(process.name)}: fencing token ${short(lock.token)}`),
    next: 'One of them has not noticed yet that it lost the lock. Work that checks the fencing token is safe: the highest one is valid.',
    afterMs: 5_000,
  }
}

function describeSilent(name: string, silent: readonly FleetProcess[], next: FleetProcess | undefined): Finding {
  const [holder] = silent as [FleetProcess]
  return {
    key: name,
    severity: next ? 'info' : 'warning',
    about: aboutOf(holder),
    text: `${short(holder.name)}, which held the lock ${short(name)}, does not answer`,
    evidence: [next ? `${short(next.name)} holds it now` : 'No other process is known to hold it'],
    next: next
      ? `Deregister ${short(holder.name)}, so that callers leave it, and restart it. Its work for the lock must check the fencing token.`
      : 'The lock becomes free when its lease ends. If the process is paused rather than stopped, deregister and restart it.',
    since: holder.since,
    afterMs: 5_000,
  }
}

/** The process, and its instance: there callers see it. */
function aboutOf(process: FleetProcess | undefined): Ref {
  const [first] = process?.services ?? []
  return { processId: process?.processId, service: first?.service, instanceId: first?.instanceId }
}
