import assert from 'node:assert/strict'
import type { ConfigDocument, ConfigEntry, ConfigSource, ConfigSourceCapabilities, WritableConfigSource } from '@sd/core'
import { createCaseClients } from './contract.ts'
import type { ConfigSample } from './samples.ts'
import { eventually } from './waiting.ts'

/** A backend for one case, empty and isolated from every other case. */
export interface ConfigBackend {
  /** Opens one more independent source. What it reads are the keys of the harness, or more. */
  open(): Promise<ConfigSource | WritableConfigSource>
  /**
   * Opens one more source that has `required`, of the keys of the harness alone. Absent if the harness says that there is no such option. The
   * case closes it.
   */
  openRequired?(): Promise<ConfigSource>
  /** Writes a text as another tool does, past the source. */
  write(key: string, content: string): Promise<void>
  /** Removes it likewise. */
  remove(key: string): Promise<void>
  /**
   * Cuts or mends the way between one source and the backend, in both directions. The backend itself stays up. Absent if the harness says
   * that there is no way.
   */
  setConnected?(source: ConfigSource, connected: boolean): void | Promise<void>
  /** Closes what is left; called after every case. */
  dispose(): Promise<void>
}

/** How the contract reaches a source of configuration and its backend. */
export interface ConfigSourceHarness {
  /** Makes a backend for one case. */
  readonly setup: () => Promise<ConfigBackend>
  /**
   * What the source's `capabilities` say that it can't do: cases of it are left out, so that a report shows what ran. Every source that is
   * opened must say the same. @default both are true
   */
  readonly capabilities?: Partial<Pick<ConfigSourceCapabilities, 'write' | 'compareAndSet'>>
  /** Whether there is a way to the backend that can be cut. Environment variables have none: then there are no outages. @default true */
  readonly canBeCut?: boolean
  /** Whether what is missing can be told from what is empty, by an option `required`. @default false */
  readonly canRequire?: boolean
  /** Two keys that the source reads, and takes if it writes, in the order in which they are merged. */
  readonly keys: readonly [string, string]
  /** Length of the longest text, in bytes: it comes back whole, and where the source writes, one byte more is refused. @default 1_048_576 */
  readonly largestBytes?: number
  /** Those of {@link configSamples} that the backend itself can't hold: then the source refuses to write them. @default none */
  readonly cannotHold?: readonly ConfigSample[]
  /** Longest time that a change takes to be seen, in milliseconds. @default 5_000 */
  readonly eventuallyMs?: number
}

/** What a case of the contract works with. */
export interface ConfigContext {
  readonly backend: ConfigBackend
  readonly keys: readonly [string, string]
  readonly largestBytes: number
  readonly cannotHold: readonly ConfigSample[]
  readonly eventuallyMs: number
  /** Opens a source that is closed after the case. */
  readonly open: () => Promise<ConfigSource | WritableConfigSource>
  /** Waits until the source has exactly these texts, in this order. */
  readonly untilLoaded: (source: ConfigSource, texts: Texts) => Promise<ConfigDocument>
  /** Closes every source and the backend. */
  readonly dispose: () => Promise<void>
}

/** Keys and contents, in the order in which they are merged. */
type Texts = readonly (readonly [key: string, content: string])[]

/** Makes a backend for one case and remembers its sources. */
export async function createConfigContext(harness: ConfigSourceHarness): Promise<ConfigContext> {
  const backend = await harness.setup()
  const { keys, largestBytes = 1_048_576, cannotHold = [], eventuallyMs = 5_000, canBeCut = true, canRequire = false } = harness
  const { write = true, compareAndSet = write } = harness.capabilities ?? {}
  assert.equal(backend.setConnected !== undefined, canBeCut, 'harness.canBeCut should be whether backends have setConnected')
  assert.equal(backend.openRequired !== undefined, canRequire, 'harness.canRequire should be whether backends have openRequired')
  const clients = createCaseClients(backend)
  return {
    backend,
    keys,
    largestBytes,
    cannotHold,
    eventuallyMs,
    untilLoaded: (source, texts) =>
      eventually(async () => {
        const document = await source.load()
        assertTexts(document, texts)
        return document
      }, eventuallyMs),
    ...clients,
    async open() {
      const source = await clients.open()
      const { capabilities } = source
      assert.equal(capabilities.write, write, 'harness.capabilities.write should be what the source says')
      assert.equal(capabilities.compareAndSet, compareAndSet, 'harness.capabilities.compareAndSet should be what the source says')
      return source
    },
  }
}

/** Asserts that a document has exactly these texts. What is long is not shown. */
export function assertTexts(document: ConfigDocument, texts: Texts): void {
  assert.deepEqual(
    document.entries.map(({ key }) => key),
    texts.map(([key]) => key),
  )
  for (const [index, [key, content]] of texts.entries()) {
    const found = document.entries[index]?.content
    assert.ok(found === content, `${key} has ${quote(found)} instead of ${quote(content)}`)
  }
}

function quote(text: string | undefined): string {
  return text !== undefined && text.length > 100 ? `${text.length} characters` : JSON.stringify(text)
}

/** The entry of a key. */
export function entryOf(document: ConfigDocument | undefined, key: string): ConfigEntry | undefined {
  return document?.entries.find((entry) => entry.key === key)
}
