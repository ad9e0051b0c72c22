import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { createFaultContext, type FaultHarness, faultSpec } from './fault-context.ts'

/** Duration of the soak test, in minutes. */
export const soakMinutes: number = Number(process.env['SD_SOAK_MINUTES'] ?? 30)

/** Registers, changes and removes instances for half an hour, with occasional faults. Memory must not grow. */
export async function soak(harness: FaultHarness): Promise<void> {
  setFlagsFromString('--expose-gc')
  const collectGarbage = runInNewContext('gc') as () => void
  const context = await createFaultContext(harness)
  const { link, registrar, watcher } = context
  const endAt = performance.now() + soakMinutes * 60_000
  const heapMiB: number[] = []
  let changes = 0
  try {
    while (performance.now() < endAt) {
      const minuteEndsAt = performance.now() + Math.min(60_000, soakMinutes * 6_000)
      while (performance.now() < minuteEndsAt) {
        const registrations = await Promise.all(
          Array.from({ length: 20 }, (_, index) => registrar.register({ ...faultSpec(10 + index), ttlMs: harness.ttlMs })),
        )
        await Promise.all(registrations.map((registration) => registration.update({ weight: 2 })))
        await watcher.getInstances('orders')
        await Promise.all(registrations.map((registration) => registration.deregister()))
        changes += 60
        await delay(200)
      }
      await link.cut()
      await delay(500)
      await link.restore()
      await context.recovered(`soak, ${changes} changes`)
      collectGarbage()
      await delay(100)
      collectGarbage()
      heapMiB.push(process.memoryUsage().heapUsed / 1_048_576)
    }
    console.info(`${harness.name}: heap in MiB: ${heapMiB.map((value) => value.toFixed(1)).join(' ')}`)
    const settled = heapMiB[Math.floor(heapMiB.length / 4)] as number
    assert.ok((heapMiB.at(-1) as number) < settled * 1.2 + 2, `the heap grew from ${settled} to ${heapMiB.at(-1)} MiB`)
  } finally {
    await context.dispose()
  }
}
