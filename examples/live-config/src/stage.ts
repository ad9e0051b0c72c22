import { setTimeout as delay } from 'node:timers/promises'
import type { ConfigReport, MemoryConfigSource } from '@sd/config'
import type { Instance } from './instance.ts'
import type { Load } from './load.ts'
import type { Operator } from './operator.ts'
import type { Screen } from './screen.ts'
import type { Shop, ShopOptions } from './shop.ts'
import type { Tally } from './tally.ts'

/** A promise of the story. */
export interface Promised {
  /** The promise. */
  readonly text: string
  /** Whether it was seen. */
  readonly isKept: boolean
  /** The numbers. */
  readonly detail: string
}

/** Objects that the acts of the story use. */
export interface StageParts {
  /** The program. */
  readonly shop: Shop
  /** Options with which the shop was started. */
  readonly shopOptions: ShopOptions
  /** The shop's connection to the config center, which can be cut. */
  readonly center: MemoryConfigSource
  /** Changes the configuration. */
  readonly operator: Operator
  /** Reports of the configuration, oldest first. */
  readonly reports: readonly ConfigReport[]
  /** Instances of `orders`, which get a steady load. */
  readonly orders: readonly Instance[]
  /** Instances of `prices`. */
  readonly prices: readonly Instance[]
  /** The calls to `orders`. */
  readonly load: Load
  /** The screen. */
  readonly screen: Screen
  /** The unit of time, in milliseconds. */
  readonly beatMs: number
}

/** {@link StageParts} with operations for the acts. */
export interface Stage extends StageParts {
  /** Promises so far. */
  readonly promises: readonly Promised[]
  /** Counts and shows the calls of this number of beats. */
  measure(beats: number): Promise<Tally>
  /** Waits until a condition holds, for a limited time; a promise then checks it. */
  until(condition: () => boolean): Promise<void>
  /** Runs `work`, which changes the shop's configuration, and waits until the new version is in effect. */
  untilUpdated(work: () => Promise<unknown>): Promise<void>
  /** Records whether a promise was kept. */
  promise(text: string, isKept: boolean, detail: string): void
}

/** Maximum time to wait for a condition, in milliseconds: a slow machine must not break a promise. */
const untilTimeoutMs = 15_000

/** Creates the stage. */
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
