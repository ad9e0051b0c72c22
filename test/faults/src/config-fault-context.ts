import assert from 'node:assert/strict'
import type { ConfigDocument, ConfigSource, WritableConfigSource } from '@sd/core'
import { eventually, probeWatch, type WatchProbe } from '@sd/testing'
import { createFaultScene, type FaultScene, type FaultSubject } from './fault-scene.ts'

/** Connects the fault suite with a configuration source. */
export interface ConfigFaultHarness extends FaultSubject<WritableConfigSource> {
  /** Two keys in merge order that the source reads. */
  readonly keys: readonly [string, string]
  /**
   * Writes directly to the server without using the source, as another tool does. Rejects if the server can't store it,
   * because it is too large, binary, or its key is invalid.
   */
  readonly write: (scope: string, key: string, content: string | Uint8Array) => Promise<void>
  /** Removes an entry directly from the server. */
  readonly remove: (scope: string, key: string) => Promise<void>
  /** Maximum recovery time, in milliseconds. The test allows twice that on a busy machine. @default 5_000 */
  readonly recoveryMs?: number
  /** Prepares a server that lost everything, for example its credentials. @default nothing to do */
  readonly afterEmptyRestart?: (scope: string) => Promise<void>
}

/** Contents of the two keys; `undefined` if there is no entry. */
type Contents = readonly [first: string | undefined, second: string | undefined]

/** Context of a case: two entries, `one` and `two`, a source that watches them, and one that observes. */
export interface ConfigFaultContext extends FaultScene<WritableConfigSource> {
  readonly harness: ConfigFaultHarness
  readonly watcher: WritableConfigSource
  readonly probe: WatchProbe<ConfigDocument>
  /** Connects directly to the server. */
  readonly observer: ConfigSource
  /** Writes one of the two entries as another tool does. */
  readonly write: (index: 0 | 1, content: string) => Promise<void>
  /** Longest time until a change is visible, in milliseconds. */
  readonly limitMs: number
  /** Waits until the server has these contents and the source loads and watches exactly them, and records how long that took. */
  readonly recovered: (fault: string, contents: Contents) => Promise<void>
}

/** Creates the context of one case. */
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

/** Returns the contents of these keys in a document. */
export function contentsOf(document: ConfigDocument | undefined, keys: readonly string[]): readonly (string | undefined)[] {
  return keys.map((key) => document?.entries.find((entry) => entry.key === key)?.content)
}
