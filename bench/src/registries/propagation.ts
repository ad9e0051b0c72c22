import type { Registry } from '@sd/core'
import { compareWithBare, follow, measurePropagation, type Watch } from '../propagation.ts'
import type { Finding } from '../report.ts'

/** A backend, and the bare library watching beside us. */
export interface PropagationSubject {
  /** Name of the backend. */
  readonly name: string
  /** Opens a client of ours. */
  readonly open: () => Registry
  /** Starts the bare library on the place of service `orders`. */
  readonly watchBare: Watch
  /** Ends the server. */
  readonly close: () => Promise<void>
}

/**
 * Time from the call of `update` until a watch shows it, ours and the bare library's. The mark of a change is its version, which every
 * backend carries in its document.
 */
export async function compareWatches(subject: PropagationSubject): Promise<readonly Finding[]> {
  const [writer, reader] = [subject.open(), subject.open()]
  const registration = await writer.register({ service: 'orders', id: 'orders-1', address: '10.0.0.1', port: 80, weight: 1 })

  const times = await measurePropagation({
    change: (version) => registration.update({ version }),
    ours: (seen) =>
      follow(
        (signal) => reader.watch('orders', { signal }),
        ({ instances }) => seen(instances[0]?.version ?? ''),
      ),
    bare: subject.watchBare,
  })
  await Promise.all([writer.close(), reader.close()])
  await subject.close()
  return compareWithBare(subject.name, times)
}
