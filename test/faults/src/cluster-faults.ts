import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { Lock, LockHandle, Registration, Registry, ServiceSnapshot } from '@sd/core'
import type { Cluster, ClusterMember } from '@sd/test-servers'
import { bindCases, type CaseBody, type ContractCase, eventually, probeWatch } from '@sd/testing'
import { faultSpec, startTimeoutMs } from './fault-context.ts'
import { isLongRun } from './fault-scene.ts'

/** Minimum absence of a leader, in milliseconds: longer than any lease of these tests. */
const absenceMs = 20_000

/** Maximum recovery time after an election, in milliseconds. The tests allow twice that on a busy machine. */
const recoveryMs = 5_000

/** Number of permanent registrations. */
const stableCount = 50

/** What both suites require of a harness. */
interface ClusterSubject<Client> {
  /** Name of the backend, for the records. */
  readonly name: string
  /** Returns the running cluster. Called in every case. */
  readonly cluster: () => Cluster
  /** Opens a client that knows all these ports of 127.0.0.1. */
  readonly open: (ports: readonly number[], scope: string) => Client
}

/** Connects {@link clusterFaults} with a registry. */
export interface ClusterHarness extends ClusterSubject<Registry> {
  /** Lifetime of a registration, in milliseconds. */
  readonly ttlMs: number
  /** Simulates another user of the server at this port. It rejects if the server refuses; waiting is not a refusal. */
  readonly otherUser?: (port: number, signal: AbortSignal) => Promise<void>
}

/** Connects {@link lockClusterFaults} with a lock. */
export interface LockClusterHarness extends ClusterSubject<Lock> {
  /** Lifetime of a holder that does not respond, in milliseconds. */
  readonly ttlMs: number
}

/** A way to lose a leader. */
interface LeaderFault {
  begin(cluster: Cluster, leader: ClusterMember): Promise<void>
  end(cluster: Cluster, leader: ClusterMember): Promise<void>
}

const leaderFaults: Readonly<Record<string, LeaderFault>> = {
  killed: { begin: (_, { server }) => server.kill(), end: (_, { server }) => server.start() },
  ...(isLongRun && {
    stopped: { begin: (_, { server }) => server.pause(), end: (_, { server }) => server.resume() },
    'cut off from the others': {
      begin: (cluster, leader) => cluster.cutOff(leader),
      end: async (cluster) => cluster.heal(),
    },
  }),
}

/**
 * Requirements for a registry while the leader of three is killed, suspended or cut off, under traffic: registrations
 * recover within 5 s of a new leader, no list is empty, incomplete or contains duplicates, and other users of the servers
 * are not refused. `npm test` only kills the leader.
 */
export function clusterFaults(harness: ClusterHarness): readonly ContractCase[] {
  return forEachFault(harness, async ({ fault, ports, scope }) => {
    const clients = [harness.open(ports, scope), harness.open(ports, scope), harness.open(ports, scope)] as const
    const [registrar, watcher, busy] = clients
    const traffic = new AbortController()
    try {
      const specs = Array.from({ length: stableCount }, (_, index) => ({ ...faultSpec(index + 1), ttlMs: harness.ttlMs }))
      const registrations = await Promise.all(specs.map((spec) => registrar.register(spec, { timeoutMs: startTimeoutMs })))
      const stable = registrations.map(({ instance }) => instance.id)
      const wrong: string[] = []
      const probe = probeWatch((options) => watcher.watch('orders', options), 60_000)
      await probe.until((snapshot) => assert.equal(snapshot?.instances.length, stableCount))
      const firstStep = probe.seen.length - 1
      const run = Promise.all([
        loop(traffic.signal, 100, async () => note('a read', stable, (await busy.getInstances('orders')).instances, wrong)),
        loop(traffic.signal, 100, (signal) => churn(busy, harness.ttlMs, signal)),
        loop(traffic.signal, 250, (_, round) => (registrations[0] as Registration).update({ weight: 1 + (round % 5) })),
        ...ports.map((port) => watchOtherUser(harness, port, traffic.signal, wrong)),
      ])

      const assertActive = (): void => assert.deepEqual(countStates(registrations), { active: stableCount })
      await fault.run(async (electedAt) => {
        await eventually(assertActive, 2 * recoveryMs)
        console.info(
          `${harness.name}: leader ${fault.name}: all active ${Math.round(performance.now() - electedAt)} ms after a new leader`,
        )
      })
      await eventually(assertActive, 2 * recoveryMs)
      await probe.untilStale(false)
      traffic.abort()
      await run
      const lists = probe.seen.slice(firstStep).flatMap(({ value }) => (value ? [value] : []))
      for (const { instances } of lists) note('the watch', stable, instances, wrong)
      assert.deepEqual(wrong, [])
      await probe.until((snapshot) => assert.deepEqual(stableOf(snapshot), [...stable].sort()))
    } finally {
      traffic.abort()
      await Promise.all(clients.map((client) => client.close()))
    }
  })
}

/**
 * Requirements for a lock while the leader of three is killed, suspended or cut off: it never has two holders, tokens
 * increase, and it is granted again within a lease of a new leader. `npm test` only kills the leader.
 */
export function lockClusterFaults(harness: LockClusterHarness): readonly ContractCase[] {
  return forEachFault(harness, async ({ fault, ports, scope }) => {
    const locks = Array.from({ length: 4 }, () => harness.open(ports, scope))
    const traffic = new AbortController()
    const wrong: string[] = []
    let holder: LockHandle | undefined
    let [token, count] = [-1n, 0]
    const contend = (lock: Lock): Promise<void> =>
      loop(traffic.signal, 10, async (signal) => {
        const handle = await lock.acquire('report', { signal })
        if (holder && !holder.signal.aborted) wrong.push(`${handle.token} was granted while ${holder.token} was held`)
        if (BigInt(handle.token) <= token) wrong.push(`${handle.token} came after ${token}`)
        ;[holder, token, count] = [handle, BigInt(handle.token), count + 1]
        await delay(200, undefined, { signal: AbortSignal.any([handle.signal, signal]) }).catch(() => undefined)
        if (holder === handle) holder = undefined
        await handle.release()
      })
    const run = Promise.all(locks.map(contend))
    try {
      await eventually(() => assert.ok(count >= 5), 30_000)
      const goesOn = async (): Promise<void> => {
        const before = count
        await eventually(() => assert.ok(count >= before + 3), 2 * (harness.ttlMs + recoveryMs))
      }
      await fault.run(async (electedAt) => {
        await goesOn()
        console.info(
          `${harness.name}: leader ${fault.name}: granted again ${Math.round(performance.now() - electedAt)} ms after a new leader`,
        )
      })
      await goesOn()
      assert.deepEqual(wrong, [])
    } finally {
      traffic.abort()
      await run
      await Promise.all(locks.map((lock) => lock.close()))
    }
  })
}

/** Context of a case. */
interface ClusterScene {
  readonly cluster: Cluster
  readonly ports: readonly number[]
  readonly scope: string
  readonly fault: {
    readonly name: string
    /** Removes the leader, calls `check` when there is another one, and restores the old one at the end. */
    run(check: (electedAt: number) => Promise<void>): Promise<void>
  }
}

function forEachFault<Client>(harness: ClusterSubject<Client>, body: CaseBody<ClusterScene>): readonly ContractCase[] {
  return Object.entries(leaderFaults).flatMap(([name, { begin, end }]) => {
    return bindCases<ClusterScene>(
      { [`a leader that is ${name}`]: body },
      async () => {
        const cluster = harness.cluster()
        return {
          cluster,
          ports: cluster.clientPorts,
          scope: `c${randomUUID().slice(0, 8)}`,
          fault: {
            name,
            async run(check) {
              await twiceASecond(() => cluster.assertWhole())
              const leader = await twiceASecond(() => cluster.leader())
              const others = cluster.members.filter((member) => member !== leader)
              const endsAt = performance.now() + (isLongRun ? absenceMs : 2_000)
              await begin(cluster, leader)
              try {
                await twiceASecond(() => cluster.leader(others))
                await check(performance.now())
                await delay(Math.max(0, endsAt - performance.now()))
              } finally {
                await end(cluster, leader)
              }
              await twiceASecond(() => cluster.leader())
            },
          },
        }
      },
      async () => undefined,
    )
  })
}

/** Waits for a response. A server without a leader queues all requests, so only few are sent. */
function twiceASecond<T>(ask: () => Promise<T>): Promise<T> {
  return eventually(async () => {
    await delay(500)
    return ask()
  }, 60_000)
}

/** Repeats the actions of a user, who tries again after errors. */
async function loop(
  signal: AbortSignal,
  pauseMs: number,
  step: (signal: AbortSignal, round: number) => Promise<unknown>,
): Promise<void> {
  for (let round = 0; !signal.aborted; round++) {
    await step(signal, round).catch((error: unknown) => {
      if (error instanceof assert.AssertionError) throw error
    })
    await delay(pauseMs, undefined, { signal }).catch(() => undefined)
  }
}

async function churn(registry: Registry, ttlMs: number, signal: AbortSignal): Promise<void> {
  const registration = await registry.register({ ...faultSpec(900), ttlMs }, { signal })
  await registration.deregister()
}

async function watchOtherUser({ otherUser }: ClusterHarness, port: number, signal: AbortSignal, wrong: string[]): Promise<void> {
  if (!otherUser) return
  await loop(signal, 250, () =>
    otherUser(port, signal).catch((error: unknown) => {
      if (!signal.aborted) wrong.push(`another user of the agent: ${String(error)}`)
    }),
  )
}

function note(where: string, stable: readonly string[], instances: readonly { readonly id: string }[], wrong: string[]): void {
  const ids = instances.map(({ id }) => id)
  const missing = stable.filter((id) => !ids.includes(id)).length
  if (missing > 0) wrong.push(`${where} lacked ${missing} of ${stable.length} instances`)
  if (new Set(ids).size < ids.length) wrong.push(`${where} had a duplicate instance`)
}

function stableOf(snapshot: ServiceSnapshot | undefined): readonly string[] {
  return (snapshot?.instances ?? [])
    .map(({ id }) => id)
    .filter((id) => id !== 'orders-900')
    .sort()
}

function countStates(registrations: readonly Registration[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (const { state } of registrations) counts[state] = (counts[state] ?? 0) + 1
  return counts
}
