import { setTimeout as delay } from 'node:timers/promises'
import type { ServiceClient } from '@sd/client'
import type { Instance } from './instance.ts'
import { startLoad } from './load.ts'
import type { Policies } from './policies.ts'
import type { Screen } from './screen.ts'
import type { Tally } from './tally.ts'
import type { Witness } from './witness.ts'

/** A part of the story that was measured. */
export interface Phase {
  /** Label of the phase. */
  readonly label: string
  /** Outcome of the calls that began in this phase. */
  readonly tally: Tally
  /** Duration, in milliseconds. */
  readonly durationMs: number
}

/** A promise of the story. */
export interface Promised {
  /** The promise. */
  readonly text: string
  /** Whether it was seen. */
  readonly isKept: boolean
  /** The numbers. */
  readonly detail: string
}

/** Objects and operations that the acts of the story use. */
export interface Stage {
  /** Client for the calls. */
  readonly client: ServiceClient
  /** Settings to choose from. */
  readonly policies: Policies
  /** Records events. */
  readonly witness: Witness
  /** The screen. */
  readonly screen: Screen
  /** Phases so far. */
  readonly phases: readonly Phase[]
  /** Promises so far. */
  readonly promises: readonly Promised[]
  /** Waits for this number of beats. */
  beats(count: number): Promise<void>
  /** Waits until a condition holds, for a limited time; a promise then checks it. */
  until(condition: () => boolean): Promise<void>
  /** Puts steady load on the instances of a service while `work` runs, and until all calls have ended. */
  measure(label: string, instances: readonly Instance[], work: () => Promise<void>): Promise<Phase>
  /** Records whether a promise was kept. */
  promise(text: string, isKept: boolean, detail: string): void
}

/** Maximum time to wait for a condition, in milliseconds: a slow machine must not break a promise. */
const untilTimeoutMs = 15_000

/** Creates the stage. */
export function createStage(
  parts: Pick<Stage, 'client' | 'policies' | 'witness' | 'screen'> & { readonly beatMs: number },
): Stage {
  const { client, witness, screen, beatMs } = parts
  const phases: Phase[] = []
  const promises: Promised[] = []

  /** Shows every whole beat until the signal aborts. */
  async function showPulse(ids: readonly string[], end: AbortSignal): Promise<void> {
    for (;;) {
      const tally = await witness.during(() => delay(beatMs, undefined, { signal: end }).catch(() => undefined))
      if (end.aborted) return
      screen.pulse(tally, ids)
    }
  }

  return {
    ...parts,
    phases,
    promises,
    beats: (count) => delay(count * beatMs),
    async until(condition) {
      const end = performance.now() + untilTimeoutMs
      while (!condition() && performance.now() < end) await delay(10)
    },
    async measure(label, instances, work) {
      const startedAt = performance.now()
      const ended = new AbortController()
      const ids = instances.map(({ id }) => id)
      const pulse = showPulse(ids, ended.signal)
      const tally = await witness.during(async () => {
        const load = startLoad(client, instances[0]?.service ?? '', witness)
        try {
          await work()
        } finally {
          await load.stop()
          ended.abort()
        }
      })
      await pulse
      const phase = { label, tally, durationMs: performance.now() - startedAt }
      phases.push(phase)
      return phase
    },
    promise(text, isKept, detail) {
      promises.push({ text, isKept, detail })
    },
  }
}
