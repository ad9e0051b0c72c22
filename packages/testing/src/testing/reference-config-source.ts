import { setTimeout as delay } from 'node:timers/promises'
import { assembleWritableConfigSource, type ConfigWrite, checkRevision, createConfigDocument, formatOfKey } from '@sd/adapter-kit'
import {
  type ConfigAnnotations,
  type ConfigDocument,
  type ConfigEntry,
  SdError,
  untilAborted,
  type WritableConfigSource,
} from '@sd/core'
import type { ConfigBackend } from '../config-source-harness.ts'
import { breakConfigSource, type ConfigSurfaceMutation } from './broken-config-source.ts'

/** Ways in which the reference can be broken, to see whether the contract notices. */
export type ConfigMutation =
  | ConfigSurfaceMutation
  | 'none'
  | 'invents an entry'
  | 'merges in the order of writing'
  | 'trims content'
  | 'cuts long content'
  | 'has one revision'
  | 'keeps what was removed'
  | 'watches in another form'
  | 'tells of no change'
  | 'makes entries anew'
  | 'tells without a change'
  | 'misses every tenth change'
  | 'is empty when away'
  | 'hides an outage'
  | 'keeps what was removed meanwhile'
  | 'deletes nothing'
  | 'returns what was there'
  | 'takes any length'
  | 'ignores revisions'
  | 'compares too early'
  | 'loses comments'
  | 'keeps the author of others'
  | 'takes what is missing for empty'
  | 'takes what is empty for missing'

/** Longest text that the reference takes, in bytes. */
export const referenceLargestBytes: number = 10_001

/** The entries of the reference source, with the mistakes that a mutation asks for. */
class ReferenceEntries {
  readonly stored = new Map<string, ConfigEntry>()
  readonly listeners = new Set<() => void>()
  revisions = 0
  readonly #mutation: ConfigMutation

  constructor(mutation: ConfigMutation) {
    this.#mutation = mutation
  }

  #is(mutation: ConfigMutation): boolean {
    return this.#mutation === mutation
  }

  changed(): void {
    for (const listener of [...this.listeners]) listener()
  }

  write(key: string, text: string, annotations: ConfigAnnotations = {}): ConfigEntry {
    const whole = this.#is('trims content') ? text.trim() : text
    const content = this.#is('cuts long content') ? whole.slice(0, 1_000) : whole
    const revision = String(this.#is('has one revision') ? 1 : ++this.revisions)
    const author = this.#is('keeps the author of others')
      ? (annotations.author ?? this.stored.get(key)?.author)
      : annotations.author
    const comment = this.#is('loses comments') ? undefined : annotations.comment
    const entry: ConfigEntry = { key, content, format: formatOfKey(key), revision, author, comment }
    const before = this.stored.get(key)
    this.stored.set(key, entry)
    this.changed()
    return this.#is('returns what was there') ? (before ?? entry) : entry
  }

  remove(key: string): void {
    if (!this.#is('keeps what was removed')) this.stored.delete(key)
    this.changed()
  }

  list(previous?: ConfigDocument): ConfigDocument {
    const entries = [...this.stored.values()]
    if (!this.#is('merges in the order of writing')) entries.sort((a, b) => (a.key < b.key ? -1 : 1))
    if (this.#is('invents an entry')) entries.push({ key: 'z', content: '', format: 'text', revision: '1' })
    return createConfigDocument(
      'reference',
      entries,
      this.#is('makes entries anew') || this.#is('tells without a change') ? undefined : previous,
    )
  }

  /** @throws SdError `SD_NOT_FOUND` where something is required and nothing is there */
  checkThere(): void {
    const isEmpty = [...this.stored.values()].every(({ content }) => content === '')
    const isMissing =
      this.stored.size === 0
        ? !this.#is('takes what is missing for empty')
        : isEmpty && this.#is('takes what is empty for missing')
    if (isMissing) throw new SdError('SD_NOT_FOUND', 'reference has nothing (required)', { retryable: true })
  }
}

/** The simplest source that keeps the contract, unless it is broken on purpose. */
export function createReferenceConfig(mutation: ConfigMutation = 'none'): ConfigBackend {
  const entries = new ReferenceEntries(mutation)
  const { stored, listeners } = entries
  const links = new Map<object, (connected: boolean) => void>()
  const opened: WritableConfigSource[] = []
  const is = (one: ConfigMutation): boolean => mutation === one
  const heartbeat = setInterval(() => is('tells without a change') && entries.changed(), 20)
  heartbeat.unref()

  function openSound(isRequired: boolean = false): WritableConfigSource {
    let lost = new AbortController()
    const isAway = (): boolean => lost.signal.aborted

    function reach(): void {
      if (isAway()) throw new SdError('SD_UNAVAILABLE', 'reference is away')
    }

    function check(act: ConfigWrite): void {
      reach()
      if (!is('ignores revisions')) checkRevision('reference', act, stored.get(act.key)?.revision)
    }

    const source = assembleWritableConfigSource({
      name: 'reference',
      capabilities: { watch: 'push', write: true, compareAndSet: true, annotations: true },
      operationTimeoutMs: 500,
      backoff: { baseMs: 20, maxMs: 50 },
      maxBytes: is('takes any length') ? 1_000_000 : referenceLargestBytes,
      async read() {
        if (is('is empty when away') && isAway()) return createConfigDocument('reference', [])
        reach()
        if (isRequired) entries.checkThere()
        return entries.list()
      },
      async follow({ offer, previous, signal }) {
        if (is('is empty when away') && isAway()) offer(createConfigDocument('reference', []))
        reach()
        const gone = new AbortController()
        const tell = (): void => {
          try {
            if (isRequired) entries.checkThere()
          } catch (error) {
            gone.abort(error)
            return
          }
          if (is('tells of no change') && previous()) return
          if (is('misses every tenth change') && entries.revisions % 10 === 0 && entries.revisions > 0) return
          const before = previous()
          const document = entries.list(before)
          const removed = before?.entries.filter(({ key }) => !stored.has(key)) ?? []
          if (is('keeps what was removed meanwhile')) offer({ ...document, entries: [...document.entries, ...removed] })
          else if (is('watches in another form')) offer({ ...document, source: 'another' })
          else offer(document)
        }
        tell()
        listeners.add(tell)
        await untilAborted(AbortSignal.any([signal, gone.signal, ...(is('hides an outage') ? [] : [lost.signal])]))
        listeners.delete(tell)
        gone.signal.throwIfAborted()
        reach()
      },
      async put(content, act) {
        check(act)
        if (is('compares too early')) await delay(5)
        return entries.write(act.key, content, act)
      },
      async remove(act) {
        check(act)
        if (!is('deletes nothing')) entries.remove(act.key)
      },
      close: () => undefined,
    })
    opened.push(source)
    links.set(source, (connected) => {
      if (connected) lost = new AbortController()
      else lost.abort()
    })
    return source
  }

  return {
    async open() {
      const sound = openSound()
      const source = breakConfigSource(
        { source: sound, another: openSound, write: (key, text) => entries.write(key, text) },
        mutation,
      )
      links.set(source, (connected) => links.get(sound)?.(connected))
      return source
    },
    openRequired: async () => openSound(true),
    write: async (key, content) => void entries.write(key, content),
    remove: async (key) => entries.remove(key),
    setConnected: (source, connected) => links.get(source)?.(connected),
    async dispose() {
      clearInterval(heartbeat)
      await Promise.all(opened.map((source) => source.close()))
    },
  }
}
