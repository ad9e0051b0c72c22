import assert from 'node:assert/strict'
import type { ConfigDocument, ConfigSource, WritableConfigSource } from '@sd/core'
import { eventually, probeWatch, type WatchProbe } from '@sd/testing'
import { createFaultScene, type FaultScene, type FaultSubject } from './fault-scene.ts'

/** How the fault suite reaches a source of configuration. */
export interface ConfigFaultHarness extends FaultSubject<WritableConfigSource> {
  /** Two keys that the source reads, in the order in which they are merged. */
  readonly keys: readonly [string, string]
  /**
   * Writes as another tool does, straight to the server and past the source. What the server can't hold (it is huge, binary, or its key is
   * nonsense) rejects.
   */
  readonly write: (scope: string, key: string, content: string | Uint8Array) => Promise<void>
  /** Removes likewise. */
  readonly remove: (scope: string, key: string) => Promise<void>
  /** How long recovery may take, in milliseconds. The test allows twice that on a busy machine. @default 5_000 */
  readonly recoveryMs?: number
  /** How a server that lost everything is made ready again, such as credentials. */
  readonly afterEmptyRestart?: (scope: string) => Promise<void>
}

/** What the two keys have; `undefined` where there is no entry. */
type Contents = readonly [first: string | undefined, second: string | undefined]

/** What a case works with: two entries, of which the first is `one` and the second is `two`, a source that watches, one that looks. */
export interface ConfigFaultContext extends FaultScene<WritableConfigSource> {
  readonly harness: ConfigFaultHarness
  readonly watcher: WritableConfigSource
  readonly probe: WatchProbe<ConfigDocument>
  /** Goes straight to the server. */
  readonly observer: ConfigSource
  /** Writes one of the two entries as another tool does. */
  readonly write: (index: 0 | 1, content: string) => Promise<void>
  /** Longest time that something takes to be seen, in milliseconds. */
  readonly limitMs: number
  /** Waits until the server has these contents, and the source loads and watches exactly them; and records how long that took. */
  readonly recovered: (fault: string, contents: Contents) => Promise<void>
}

/** Builds the context of one case. */
export async function createConfigFaultContext(harness: ConfigFaultHarness): Promise<ConfigFaultContext> {
  const scene = await createFaultScene(harness)
  const { keys, recoveryMs = 5_000 } = harness
  const { scope, link, target, open, record } = scene
  const write = (index: 0 | 1, content: string): Promise<void> => harness.write(scope, keys[index], content)
  await write(0, 'one')
  await write(1, 'two')
  const [watcher, observer] = [open(link.port), open(target.port)]
  const limitMs = 2 * recoveryMs
  const probe = probeWatch((options) => watcher.watch(options), limitMs + 10_000, 100)
  const context: ConfigFaultContext = {
    ...scene,
    harness,
    watcher,
    probe,
    observer,
    write,
    limitMs,
    recovered: (fault, contents) =>
      record(fault, async () => {
        const check = (document: ConfigDocument): void => assert.deepEqual(contentsOf(document, keys), contents)
        await eventually(async () => check(await observer.load()), limitMs)
        await probe.until(check)
        await probe.untilStale(false)
        await eventually(async () => check(await watcher.load()), limitMs)
      }),
  }
  await probe.until((document) => assert.deepEqual(contentsOf(document, keys), ['one', 'two']))
  return context
}

/** What a document has for each of these keys. */
export function contentsOf(document: ConfigDocument | undefined, keys: readonly string[]): readonly (string | undefined)[] {
  return keys.map((key) => document?.entries.find((entry) => entry.key === key)?.content)
}
