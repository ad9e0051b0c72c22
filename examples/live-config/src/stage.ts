import { setTimeout as delay } from 'node:timers/promises'
import type { ConfigReport, MemoryConfigSource } from '@sd/config'
import type { Instance } from './instance.ts'
import type { Load } from './load.ts'
import type { Operator } from './operator.ts'
import type { Screen } from './screen.ts'
import type { Shop, ShopOptions } from './shop.ts'
import type { Tally } from './tally.ts'

/** Something that the story promises to show. */
export interface Promised {
  /** The promise. */
  readonly text: string
  /** Whether it was seen. */
  readonly isKept: boolean
  /** The numbers. */
  readonly detail: string
}

/** What the acts of the story play on. */
export interface StageParts {
  /** The program. */
  readonly shop: Shop
  /** With what the shop was started. */
  readonly shopOptions: ShopOptions
  /** The shop's way to the config center, which can be cut. */
  readonly center: MemoryConfigSource
  /** Changes the configuration. */
  readonly operator: Operator
  /** What the configuration told of itself, oldest first. */
  readonly reports: readonly ConfigReport[]
  /** Instances of `orders`, which are called all the time. */
  readonly orders: readonly Instance[]
  /** Instances of `prices`. */
  readonly prices: readonly Instance[]
  /** The calls to `orders`. */
  readonly load: Load
  /** Shows what happens. */
  readonly screen: Screen
  /** The unit of time, in milliseconds. */
  readonly beatMs: number
}

/** {@link StageParts} with what the acts do there. */
export interface Stage extends StageParts {
  /** Promises so far. */
  readonly promises: readonly Promised[]
  /** Counts and shows the calls of so many beats. */
  measure(beats: number): Promise<Tally>
  /** Waits until something has happened, but not for ever: whether it did is for a promise to say. */
  until(condition: () => boolean): Promise<void>
  /** Does something that makes a new version of the shop's configuration, and waits until it counts. */
  untilUpdated(work: () => Promise<unknown>): Promise<void>
  /** Says whether a promise was kept. */
  promise(text: string, isKept: boolean, detail: string): void
}

/** Longest time that something is waited for, in milliseconds: a slow machine is no broken promise. */
const untilTimeoutMs = 15_000

/** Builds the stage. */
export function createStage(parts: StageParts): Stage {
  const { shop, orders, load, screen, beatMs } = parts
  const ids = orders.map(({ id }) => id)
  const promises: Promised[] = []

  async function until(condition: () => boolean): Promise<void> {
    const end = performance.now() + untilTimeoutMs
    while (!condition() && performance.now() < end) await delay(10)
  }

  return {
    ...parts,
    promises,
    until,
    measure: (beats) =>
      load.during(async () => {
        for (let beat = 0; beat < beats; beat++) screen.pulse(await load.during(() => delay(beatMs)), ids)
      }),
    async untilUpdated(work) {
      const { version } = shop.config
      await work()
      await until(() => shop.config.version > version)
    },
    promise(text, isKept, detail) {
      promises.push({ text, isKept, detail })
    },
  }
}

/** The closing report: which promises were kept. */
export function renderSummary(promises: readonly Promised[]): string {
  const kept = promises.filter(({ isKept }) => isKept).length
  return [
    '',
    'Summary',
    ...promises.map(({ text, isKept, detail }) => `  ${isKept ? 'seen    ' : 'NOT SEEN'}  ${text} (${detail})`),
    '',
    `${kept} of ${promises.length} promises seen`,
    '',
  ].join('\n')
}
