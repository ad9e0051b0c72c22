import { setTimeout as delay } from 'node:timers/promises'
import type { Watched } from '@sd/core'
import { quantile, summarize } from './paired.ts'
import { type Finding, formatRatio, judgeRatio, type Ratio } from './report.ts'

/** Starts a watch; `seen` is called with every text. Returns a function that stops it. */
export type Watch = (seen: (text: string) => void) => Promise<() => unknown>

/** A change with two watches. */
export interface PropagationRun {
  /** Makes a change whose text contains this mark. */
  readonly change: (mark: string) => Promise<unknown>
  /** Our watch. */
  readonly ours: Watch
  /** Watch of the bare library, in the same process. */
  readonly bare: Watch
  /** Number of changes in a round. @default 50 */
  readonly changes?: number
  /** Pause between two changes, in milliseconds. @default 0 */
  readonly pauseMs?: number
}

/** Time from each change until each watch showed it, in milliseconds, by round. */
export interface PropagationTimes {
  readonly ours: readonly (readonly number[])[]
  readonly bare: readonly (readonly number[])[]
}

const rounds = 6
const warmUp = 10

/** Measures the time from the call of `change` until each watch shows it. Both restart in every round, in alternating order. */
export async function measurePropagation(run: PropagationRun): Promise<PropagationTimes> {
  const times = { ours: [] as (readonly number[])[], bare: [] as (readonly number[])[] }
  for (let round = 0; round < rounds; round++) {
    const [first, second] = round % 2 === 0 ? (['ours', 'bare'] as const) : (['bare', 'ours'] as const)
    const [ofFirst, ofSecond] = await measureRound([run[first], run[second]], `round-${round}`, run)
    times[first].push(ofFirst)
    times[second].push(ofSecond)
  }
  return times
}

async function measureRound(
  watches: readonly [Watch, Watch],
  name: string,
  { change, changes = 50, pauseMs = 0 }: PropagationRun,
): Promise<readonly [number[], number[]]> {
  const [a, b] = [createWaiter(), createWaiter()]
  const ends = [await watches[0](a.see), await watches[1](b.see)]
  const times: [number[], number[]] = [[], []]
  for (let count = -warmUp; count < changes; count++) {
    const mark = `${name}-${count + warmUp}-end`
    const startedAt = performance.now()
    const arrivals = Promise.all([a.until(mark), b.until(mark)])
    await change(mark)
    const [atA, atB] = await arrivals
    if (pauseMs > 0) await delay(pauseMs)
    if (count < 0) continue
    times[0].push(atA - startedAt)
    times[1].push(atB - startedAt)
  }
  for (const end of ends) await end()
  return times
}

/** Follows one of our watches. Resolves when it has shown something. */
export async function follow<T>(
  watch: (signal: AbortSignal) => AsyncIterable<Watched<T>>,
  show: (value: T) => void,
): Promise<() => void> {
  const controller = new AbortController()
  const started = Promise.withResolvers<void>()
  void (async () => {
    for await (const { value } of watch(controller.signal)) {
      if (value === undefined) continue
      show(value)
      started.resolve()
    }
  })()
  await started.promise
  return () => controller.abort()
}

/** Compares our times with those of the bare library, for the same changes. */
export function compareWithBare(name: string, times: PropagationTimes): readonly Finding[] {
  const [median, tail] = [compareMedian(times), compareTail(times)]
  return [
    {
      subject: `${name}: propagation P50, ours / bare library`,
      measured: median.text,
      ...judgeRatio(median, 1.1),
    },
    {
      subject: `${name}: propagation P99, ours / bare library`,
      measured: tail.text,
      goal: '≤ 1.5 × or + 5 ms',
      met: tail.ratio <= 1.5 || tail.differenceMs <= 5,
    },
  ]
}

/** Median of the ratios of the rounds, with quartiles in brackets. */
export function compareMedian({ ours, bare }: PropagationTimes): Ratio & { readonly text: string } {
  const ratios = ours.map((times, round) => quantile(times, 0.5) / quantile(bare[round] as readonly number[], 0.5))
  const result = summarize(ratios)
  const text = formatRatio(result)
  return { ...result, text: `${text}, ${quantile(ours.flat(), 0.5).toFixed(1)} / ${quantile(bare.flat(), 0.5).toFixed(1)} ms` }
}

/** P99 over all rounds, because one round has too few changes. */
export function compareTail({ ours, bare }: PropagationTimes): {
  readonly ratio: number
  readonly differenceMs: number
  readonly text: string
} {
  const [own, other] = [quantile(ours.flat(), 0.99), quantile(bare.flat(), 0.99)]
  const ratio = own / other
  return { ratio, differenceMs: own - other, text: `${ratio.toFixed(2)} ×, ${own.toFixed(1)} / ${other.toFixed(1)} ms` }
}

interface Waiter {
  /** Called with a text that may contain the mark. */
  readonly see: (text: string) => void
  /** Resolves with the time at which the mark was seen, by `performance.now()`. */
  until(mark: string): Promise<number>
}

function createWaiter(): Waiter {
  let wanted = ''
  let arrive: (at: number) => void = () => undefined
  return {
    see: (text) => wanted !== '' && text.includes(wanted) && arrive(performance.now()),
    until(mark) {
      wanted = mark
      return new Promise((resolve, reject) => {
        const limit = setTimeout(() => reject(new Error(`${mark} was not seen within 10 s`)), 10_000)
        arrive = (at) => {
          clearTimeout(limit)
          wanted = ''
          resolve(at)
        }
      })
    },
  }
}
