import assert from 'node:assert/strict'
import type { InstanceSpec, Registration, Registry, ServiceSnapshot } from '@sd/core'
import { eventually, probeWatch, type WatchProbe } from '@sd/testing'
import { createFaultScene, type FaultScene, type FaultSubject } from './fault-scene.ts'

/** A registry that meets faults, and how long its clients may take. */
export interface RegistrySubject extends FaultSubject<Registry> {
  /** Lifetime of a lease in these tests, in milliseconds; clients are opened with it. */
  readonly ttlMs: number
  /** How long recovery may take, in milliseconds: 5 s, or a lease where the backend forces it. The test allows twice that on a busy machine. */
  readonly recoveryMs?: number
}

/** How the fault suite reaches a registry. */
export interface FaultHarness extends RegistrySubject {
  /** Limit of one operation of the clients, in milliseconds. */
  readonly operationTimeoutMs: number
  /** Writes what a hostile or careless tool would, into the place of service `orders`. */
  readonly writeGarbage: (scope: string, texts: readonly string[]) => Promise<void>
  /** How a server that lost everything is made ready again, such as credentials. */
  readonly afterEmptyRestart?: () => Promise<void>
}

/** What a fault case works with: instances `orders-1` to `orders-3`, a client that registered them, one that watches, one that looks. */
export interface FaultContext<Subject extends RegistrySubject = FaultHarness> extends FaultScene<Registry> {
  readonly harness: Subject
  readonly registrar: Registry
  readonly registrations: readonly Registration[]
  readonly watcher: Registry
  readonly probe: WatchProbe<ServiceSnapshot>
  /** Goes straight to the server. */
  readonly observer: Registry
  /** Waits until everything is as it should be, and records how long that took. */
  readonly recovered: (fault: string) => Promise<void>
}

/** Steps that the probe remembers: a soak test must not mistake its own memory for a leak. */
const keptSteps = 100

/** The instances that every case has. Addresses are not loopback, because Kubernetes takes none. */
export function faultSpec(index: number, port: number = 8_000 + index): InstanceSpec {
  return { service: 'orders', id: `orders-${index}`, address: `10.0.0.${index}`, port }
}

function idsOf(snapshot: ServiceSnapshot | undefined): readonly string[] {
  return snapshot?.instances.map(({ id }) => id) ?? []
}

/** Builds the context of one case. */
export async function createFaultContext<Subject extends RegistrySubject>(
  harness: Subject,
  ports?: readonly number[],
): Promise<FaultContext<Subject>> {
  const scene = await createFaultScene(harness)
  const { target, link, open, record } = scene
  const [registrar, watcher, observer] = [open(link.port), open(link.port), open(target.port)]
  const registrations = await Promise.all(
    [1, 2, 3].map((index) => registrar.register({ ...faultSpec(index, ports?.[index - 1]), ttlMs: harness.ttlMs })),
  )
  const limitMs = 2 * (harness.recoveryMs ?? 5_000)
  const probe = probeWatch((options) => watcher.watch('orders', options), limitMs + harness.ttlMs * 4, keptSteps)
  const wanted = registrations.map(({ instance }) => instance.id)
  await probe.until((snapshot) => assert.deepEqual(idsOf(snapshot), wanted))

  return {
    ...scene,
    harness,
    registrar,
    registrations,
    watcher,
    probe,
    observer,
    recovered: (fault) =>
      record(fault, async () => {
        await eventually(async () => assert.deepEqual(idsOf(await observer.getInstances('orders')), wanted), limitMs)
        await eventually(
          () =>
            assert.deepEqual(
              registrations.map(({ state }) => state),
              wanted.map(() => 'active'),
            ),
          limitMs,
        )
        await probe.until((snapshot) => assert.deepEqual(idsOf(snapshot), wanted))
        await probe.untilStale(false)
      }),
  }
}
