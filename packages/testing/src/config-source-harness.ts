import assert from 'node:assert/strict'
import type { ConfigDocument, ConfigEntry, ConfigSource, ConfigSourceCapabilities, WritableConfigSource } from '@sd/core'
import { createCaseClients } from './contract.ts'
import type { ConfigSample } from './samples.ts'
import { eventually } from './waiting.ts'

/** A backend for one case, empty and isolated from every other case. */
export interface ConfigBackend {
  /** Opens another independent source. It reads the keys of the harness, or more. */
  open(): Promise<ConfigSource | WritableConfigSource>
  /**
   * Opens another source with `required` set, for exactly the keys of the harness. Absent if the harness says that there
   * is no such option. The case closes the source.
   */
  openRequired?(): Promise<ConfigSource>
  /** Writes a text without using the source, as another tool does. */
  write(key: string, content: string): Promise<void>
  /** Removes a text without using the source. */
  remove(key: string): Promise<void>
  /**
   * Cuts or restores the connection between one source and the backend, in both directions. The backend keeps running.
   * Absent if the harness says that there is no connection.
   */
  setConnected?(source: ConfigSource, connected: boolean): void | Promise<void>
  /** Closes everything that is left. Called after every case. */
  dispose(): Promise<void>
}

/** Connects the contract with a configuration source and its backend. */
export interface ConfigSourceHarness {
  /** Creates a backend for one case. */
  readonly setup: () => Promise<ConfigBackend>
  /**
   * Unsupported capabilities, as declared by the source. Their cases are omitted, so that a report shows what ran. Every
   * opened source must declare the same.
   *
   * @default both are true
   */
  readonly capabilities?: Partial<Pick<ConfigSourceCapabilities, 'write' | 'compareAndSet'>>
  /**
   * Whether there is a connection to the backend that can be cut. Environment variables have none, so there are no
   * outages. @default true
   */
  readonly canBeCut?: boolean
  /** Whether the source has an option `required` that distinguishes missing from empty entries. @default false */
  readonly canRequire?: boolean
  /** Two keys in merge order that the source reads and, if it writes, can write. */
  readonly keys: readonly [string, string]
  /**
   * Maximum length of a text, in bytes. A text of this length must be preserved; if the source writes, one more byte must
   * be rejected. @default 1_048_576
   */
  readonly largestBytes?: number
  /** The {@link configSamples} that the backend can't store. The source must refuse to write them. @default none */
  readonly cannotHold?: readonly ConfigSample[]
  /** Longest time until a change is visible, in milliseconds. @default 5_000 */
  readonly eventuallyMs?: number
}

/** Context of a case of the contract. */
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

/** Keys and contents, in merge order. */
type Texts = readonly (readonly [key: string, content: string])[]

/** Creates a backend for one case and remembers its sources. */
export async function createConfigContext(harness: ConfigSourceHarness): Promise<ConfigContext> {
  const backend = await harness.setup()
  const { keys, largestBytes = 1_048_576, cannotHold = [], eventuallyMs = 5_000, canBeCut = true, canRequire = false } = harness
  const { write = true, compareAndSet = write } = harness.capabilities ?? {}
  assert.equal(backend.setConnected !== undefined, canBeCut, 'harness.canBeCut should match whether the backend has setConnected')
  assert.equal(
    backend.openRequired !== undefined,
    canRequire,
    'harness.canRequire should match whether the backend has openRequired',
  )
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
      assert.equal(capabilities.write, write, 'harness.capabilities.write should match the source')
      assert.equal(capabilities.compareAndSet, compareAndSet, 'harness.capabilities.compareAndSet should match the source')
      return source
    },
  }
}

/** Asserts that a document has exactly these texts. Long texts are not shown. */
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

/** Returns the entry of a key. */
export function entryOf(document: ConfigDocument | undefined, key: string): ConfigEntry | undefined {
  return document?.entries.find((entry) => entry.key === key)
}
