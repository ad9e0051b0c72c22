import type { ConfigSource, WritableConfigSource } from '@sd/core'
import {
  compareWithBare,
  follow,
  measurePropagation,
  type PropagationRun,
  type PropagationTimes,
  type Watch,
} from '../propagation.ts'
import type { Finding } from '../report.ts'

/** The connected bare library. */
export interface BareClient {
  /** Writes the text of the entry. */
  write(text: string): Promise<unknown>
  /** Watches the entry. */
  readonly watch: Watch
  /** Closes the client. */
  close(): unknown
}

/** A backend with one entry. */
export interface SourceSubject {
  /** Name of the backend. */
  readonly name: string
  /** Key of the entry. */
  readonly key: string
  /** Opens our source. */
  readonly open: () => WritableConfigSource
  /** Connects the bare library. */
  readonly connectBare: () => Promise<BareClient>
  /** Number of changes in a round, and pause between them. */
  readonly pace?: Pick<PropagationRun, 'changes' | 'pauseMs'>
}

/** A run of a source: our watch (by default that of the source) and the watch of the bare library. */
export type SourceRun = (watch?: (source: ConfigSource) => Watch) => Promise<PropagationTimes>

/**
 * Connects our source and the bare library, and passes a function that measures the time from a write until both show it. The
 * bare library writes, because it needs the fewest round trips.
 */
export async function withSource<T>(subject: SourceSubject, use: (run: SourceRun) => Promise<T>): Promise<T> {
  const source = subject.open()
  await source.put(subject.key, textOf('start'))
  const [writer, reader] = [await subject.connectBare(), await subject.connectBare()]
  const result = await use((watch = watchSource) =>
    measurePropagation({
      change: (mark) => writer.write(textOf(mark)),
      ours: watch(source),
      bare: reader.watch,
      ...subject.pace,
    }),
  )
  await Promise.all([source.close(), writer.close(), reader.close()])
  return result
}

/** Compares the watch of the source itself. */
export async function compareSource(subject: SourceSubject): Promise<readonly Finding[]> {
  return compareWithBare(subject.name, await withSource(subject, (run) => run()))
}

function textOf(mark: string): string {
  return JSON.stringify({ name: mark, db: { url: 'postgres://db/orders', pool: { size: 20, idleMs: 1_000 } } })
}

function watchSource(source: ConfigSource): Watch {
  return (seen) =>
    follow(
      (signal) => source.watch({ signal }),
      ({ entries }) => seen(entries[0]?.content ?? ''),
    )
}
