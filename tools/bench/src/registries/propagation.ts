import type { Registry } from '@sd/core'
import { quantile } from '../paired.ts'
import type { Finding } from '../report.ts'

/** A backend, and the bare library watching beside us. */
export interface PropagationSubject {
  /** Name of the backend. */
  readonly name: string
  /** Opens a client of ours. */
  readonly open: () => Registry
  /** Starts the bare library on the place of service `orders`; `seen` is called with everything that it shows. Returns its end. */
  readonly watchBare: (seen: (text: string) => void) => Promise<() => Promise<void> | void>
  /** Ends the server. */
  readonly close: () => Promise<void>
}

const changes = 300
const warmUp = 30

/**
 * Time from the call of `update` until a watch shows it, ours and the bare library's in the same process, of the same change. The mark of a
 * change is its version, which every backend carries in its document.
 */
export async function measurePropagation(subject: PropagationSubject): Promise<readonly Finding[]> {
  const [writer, reader] = [subject.open(), subject.open()]
  const registration = await writer.register({ service: 'orders', id: 'orders-1', address: '10.0.0.1', port: 80, weight: 1 })
  const controller = new AbortController()
  const ours = createWaiter()
  const bare = createWaiter()
  void (async () => {
    for await (const { value } of reader.watch('orders', { signal: controller.signal })) {
      const version = value?.instances[0]?.version
      if (version) ours.see(version)
    }
  })()
  const stopBare = await subject.watchBare(bare.seeText)
  const times = { ours: [] as number[], bare: [] as number[] }
  for (let change = -warmUp; change < changes; change++) {
    const mark = `mark-${change + warmUp}-end`
    const startedAt = performance.now()
    const both = Promise.all([ours.until(mark), bare.until(mark)])
    await registration.update({ version: mark })
    const [oursAt, bareAt] = await both
    if (change < 0) continue
    times.ours.push(oursAt - startedAt)
    times.bare.push(bareAt - startedAt)
  }
  controller.abort()
  await stopBare()
  await Promise.all([writer.close(), reader.close()])
  await subject.close()
  const p = (values: readonly number[], share: number): number => quantile(values, share)
  const [p50, bare50, p99, bare99] = [p(times.ours, 0.5), p(times.bare, 0.5), p(times.ours, 0.99), p(times.bare, 0.99)]
  return [
    {
      subject: `${subject.name}: propagation P50, ours / bare library`,
      measured: `${(p50 / bare50).toFixed(2)} × (${p50.toFixed(1)} / ${bare50.toFixed(1)} ms)`,
      goal: '≤ 1.1 ×',
      met: p50 / bare50 <= 1.1,
    },
    {
      subject: `${subject.name}: propagation P99, ours / bare library`,
      measured: `${(p99 / bare99).toFixed(2)} × (${p99.toFixed(1)} / ${bare99.toFixed(1)} ms)`,
      goal: '≤ 1.5 × or + 5 ms',
      met: p99 / bare99 <= 1.5 || p99 - bare99 <= 5,
    },
  ]
}

interface Waiter {
  /** The mark itself was seen. */
  see(mark: string): void
  /** A text was seen that may hold the mark. */
  seeText(text: string): void
  /** When the mark was seen, by `performance.now()`. */
  until(mark: string): Promise<number>
}

function createWaiter(): Waiter {
  let wanted = ''
  let arrive: (at: number) => void = () => undefined
  return {
    see: (mark) => mark === wanted && arrive(performance.now()),
    seeText: (text) => wanted !== '' && text.includes(wanted) && arrive(performance.now()),
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
