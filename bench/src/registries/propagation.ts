import type { Registry } from '@sd/core'
import { compareWithBare, follow, measurePropagation, type Watch } from '../propagation.ts'
import type { Finding } from '../report.ts'

/** A backend with our client and a watch of the bare library. */
export interface PropagationSubject {
  /** Name of the backend. */
  readonly name: string
  /** Opens our client. */
  readonly open: () => Registry
  /** Starts a watch of the bare library on the service `orders`. */
  readonly watchBare: Watch
  /** Stops the server. */
  readonly close: () => Promise<void>
}

/**
 * Measures the time from the call of `update` until our watch and the watch of the bare library show it. The mark of a change is
 * the version, which every backend has in its document.
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
