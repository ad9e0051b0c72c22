import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { type ConfigFaultHarness, createConfigFaultContext } from './config-fault-context.ts'
import { createFaultContext, type FaultHarness, faultSpec } from './fault-context.ts'

/** Duration of the soak test, in minutes. */
export const soakMinutes: number = Number(process.env['SD_SOAK_MINUTES'] ?? 30)

/** A connection that a soak test interrupts. */
interface Interruptible {
  cut(): Promise<void>
  restore(): Promise<void>
}

/** What a soak test does. */
interface SoakWork {
  /** Name of the backend, for the records. */
  readonly name: string
  readonly link: Interruptible
  /** Makes some changes. @returns their number */
  readonly round: () => Promise<number>
  /** Waits until everything works after an interruption. @param changes number of changes so far */
  readonly recovered: (changes: number) => Promise<void>
}

/** Repeats rounds for half an hour, and interrupts the connection once a minute. Memory must not grow. */
async function repeat({ name, link, round, recovered }: SoakWork): Promise<void> {
  setFlagsFromString('--expose-gc')
  const collectGarbage = runInNewContext('gc') as () => void
  const endAt = performance.now() + soakMinutes * 60_000
  const heapMiB: number[] = []
  let changes = 0
  while (performance.now() < endAt) {
    const minuteEndsAt = performance.now() + Math.min(60_000, soakMinutes * 6_000)
    while (performance.now() < minuteEndsAt) {
      changes += await round()
      await delay(200)
    }
    await link.cut()
    await delay(500)
    await link.restore()
    await recovered(changes)
    collectGarbage()
    await delay(100)
    collectGarbage()
    heapMiB.push(process.memoryUsage().heapUsed / 1_048_576)
  }
  console.info(`${name}: heap in MiB: ${heapMiB.map((value) => value.toFixed(1)).join(' ')}`)
  const settled = heapMiB[Math.floor(heapMiB.length / 4)] as number
  assert.ok((heapMiB.at(-1) as number) < settled * 1.2 + 2, `the heap grew from ${settled} to ${heapMiB.at(-1)} MiB`)
}

/** Registers, changes and removes instances, and begins and ends watches. */
export async function soak(harness: FaultHarness): Promise<void> {
  const context = await createFaultContext(harness)
  const { link, registrar, watcher, recovered } = context
  let rounds = 0
  async function round(): Promise<number> {
    const registrations = await Promise.all(
      Array.from({ length: 20 }, (_, index) => registrar.register({ ...faultSpec(10 + index), ttlMs: harness.ttlMs })),
    )
    await Promise.all(registrations.map((registration) => registration.update({ weight: 2 })))
    await watcher.getInstances('orders')
    await readFirst(watcher.watch(`short-${rounds++ % 10}`))
    await Promise.all(registrations.map((registration) => registration.deregister()))
    return 60
  }
  try {
    await repeat({ name: harness.name, link, round, recovered: (changes) => recovered(`soak, ${changes} changes`) })
  } finally {
    await context.dispose()
  }
}

/** Writes and removes entries, and begins and ends watches. */
export async function configSoak(harness: ConfigFaultHarness): Promise<void> {
  const context = await createConfigFaultContext(harness)
  const { link, open, watcher, recovered } = context
  const writer = open(context.target.port)
  const [key] = harness.keys
  let latest = 'one'
  let writes = 0
  async function round(): Promise<number> {
    for (let index = 0; index < 5; index++) {
      latest = `text ${++writes}`
      await writer.put(key, latest)
      await watcher.load()
    }
    await writer.delete(key)
    await readFirst(writer.watch())
    await writer.put(key, latest)
    return 7
  }
  try {
    await repeat({
      name: harness.name,
      link,
      round,
      recovered: (changes) => recovered(`soak, ${changes} changes`, [latest, 'two']),
    })
  } finally {
    await context.dispose()
  }
}

/** Begins a watch, and ends it after its first step. */
async function readFirst(steps: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of steps) return
}
