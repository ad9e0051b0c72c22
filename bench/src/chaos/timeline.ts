import { setTimeout as delay } from 'node:timers/promises'
import type { Fleet } from './fleet.ts'

/** One fault of a run, with times by `Date.now()`. */
export interface Phase {
  /** Name, such as `kill -9`. */
  readonly name: string
  /** Start. */
  readonly from: number
  /** End, including the time to recover. */
  readonly until: number
  /** Duration of the failure of all instances, in milliseconds; 0 unless it is a blip. */
  readonly blipMs: number
}

/** Duration of a fault of one instance, in milliseconds. */
const faultMs = 6_000
/** Time for which a killed instance stays listed, in milliseconds. */
const leaseMs = 4_000
const recoverMs = 3_000

/** Number of servers. */
export const fleetSize = 5

/** Runs all faults one after the other. @returns the phases */
export async function runTimeline(fleet: Fleet, calmMs: number): Promise<readonly Phase[]> {
  const phases: Phase[] = []
  async function phase(name: string, run: () => Promise<void>, blipMs = 0): Promise<void> {
    const from = Date.now()
    await run()
    await delay(recoverMs)
    phases.push({ name, from, until: Date.now(), blipMs })
  }
  const all = Array.from({ length: fleetSize }, (_, index) => index)
  await phase('calm', () => delay(calmMs))
  await phase('kill -9', async () => {
    fleet.kill(0)
    await delay(leaseMs)
    await fleet.list(0, false)
    await delay(faultMs - leaseMs)
    await fleet.restart(0)
    await fleet.list(0, true)
  })
  await phase('SIGSTOP', async () => {
    fleet.stop(1)
    await delay(faultMs)
    fleet.proceed(1)
  })
  await phase('SYN dropped', async () => {
    fleet.blackHole(2)
    await delay(faultMs)
    fleet.proceed(2)
  })
  await phase('slow ramp', async () => {
    for (let factor = 1; factor <= 40; factor += 1) {
      fleet.configure(3, { factor })
      await delay(faultMs / 40)
    }
    fleet.configure(3, { factor: 1 })
  })
  await phase('rolling restart', async () => {
    for (const index of all) {
      await fleet.list(index, false)
      await delay(1_000)
      fleet.drain(index)
      await fleet.restart(index)
      await fleet.list(index, true)
      await delay(500)
    }
  })
  for (const blipMs of [100, 500, 2_000]) {
    await phase(
      `blip of ${blipMs / 1_000} s`,
      async () => {
        for (const index of all) fleet.configure(index, { fails: true })
        await delay(blipMs)
        for (const index of all) fleet.configure(index, { fails: false })
        await delay(2 * blipMs)
      },
      blipMs,
    )
  }
  return phases
}
