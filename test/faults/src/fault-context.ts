import assert from 'node:assert/strict'
import type { InstanceSpec, Registration, Registry, ServiceSnapshot } from '@sd/core'
import { eventually, probeWatch, type WatchProbe } from '@sd/testing'
import { createFaultScene, type FaultScene, type FaultSubject } from './fault-scene.ts'

/** A registry under test, and the limits of its clients. */
export interface RegistrySubject extends FaultSubject<Registry> {
  /** Lifetime of a lease in these tests, in milliseconds. Clients are opened with it. */
  readonly ttlMs: number
  /**
   * Maximum recovery time, in milliseconds: 5 s, or a lease if the backend requires it. The test allows twice that on a
   * busy machine. @default 5_000
   */
  readonly recoveryMs?: number
}

/** Connects the fault suite with a registry. */
export interface FaultHarness extends RegistrySubject {
  /** Time limit of one operation of the clients, in milliseconds. */
  readonly operationTimeoutMs: number
  /** Writes texts of a hostile or careless tool as entries of service `orders`. */
  readonly writeGarbage: (scope: string, texts: readonly string[]) => Promise<void>
  /** Prepares a server that lost everything, for example its credentials. @default nothing to do */
  readonly afterEmptyRestart?: () => Promise<void>
}

/**
 * Context of a fault case: instances `orders-1` to `orders-3`, a client that registered them, one that watches, and one
 * that observes.
 */
export interface FaultContext<Subject extends RegistrySubject = FaultHarness> extends FaultScene<Registry> {
  readonly harness: Subject
  readonly registrar: Registry
  readonly registrations: readonly Registration[]
  readonly watcher: Registry
  readonly probe: WatchProbe<ServiceSnapshot>
  /** Connects directly to the server. */
  readonly observer: Registry
  /** Waits until everything has recovered, and records how long that took. */
  readonly recovered: (fault: string) => Promise<void>
}

/** Number of steps that the probe keeps, so that a soak test does not mistake its own memory for a leak. */
const keptSteps = 100

/** How long the registrations before a fault may take on a busy machine, in milliseconds. */
export const startTimeoutMs = 20_000

/** The instances of every case. Addresses are not loopback, because Kubernetes does not accept it. */
export function faultSpec(index: number, port: number = 8_000 + index): InstanceSpec {
  return { service: 'orders', id: `orders-${index}`, address: `10.0.0.${index}`, port }
}

function idsOf(snapshot: ServiceSnapshot | undefined): readonly string[] {
  return snapshot?.instances.map(({ id }) => id) ?? []
}

/** Creates the context of one case. */
export async function createFaultContext<Subject extends RegistrySubject>(
  harness: Subject,
  ports?: readonly number[],
): Promise<FaultContext<Subject>> {
  const scene = await createFaultScene(harness)
  const { target, link, open, record } = scene
  const [registrar, watcher, observer] = [open(link.port), open(link.port), open(target.port)]
  const registrations = await Promise.all(
    [1, 2, 3].map((index) =>
      registrar.register({ ...faultSpec(index, ports?.[index - 1]), ttlMs: harness.ttlMs }, { timeoutMs: startTimeoutMs }),
    ),
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
