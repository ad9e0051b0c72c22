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

/** Ways to break the reference, to see whether the contract detects it. */
export type ConfigMutation =
  | ConfigSurfaceMutation
  | 'none'
  | 'invents an entry'
  | 'merges in write order'
  | 'trims content'
  | 'cuts long content'
  | 'has one revision'
  | 'keeps removed entries'
  | 'yields another form in a watch'
  | 'reports no change'
  | 'recreates entries'
  | 'reports without a change'
  | 'misses every tenth change'
  | 'is empty in an outage'
  | 'hides an outage'
  | 'keeps entries removed in an outage'
  | 'deletes nothing'
  | 'returns the previous entry'
  | 'accepts any length'
  | 'ignores revisions'
  | 'compares too early'
  | 'loses comments'
  | 'keeps the author of another writer'
  | 'treats missing as empty'
  | 'treats empty as missing'

/** Maximum length of a text in the reference, in bytes. */
export const referenceLargestBytes: number = 10_001

/** The entries of the reference source, with the defects of a mutation. */
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
    const author = this.#is('keeps the author of another writer')
      ? (annotations.author ?? this.stored.get(key)?.author)
      : annotations.author
    const comment = this.#is('loses comments') ? undefined : annotations.comment
    const entry: ConfigEntry = { key, content, format: formatOfKey(key), revision, author, comment }
    const before = this.stored.get(key)
    this.stored.set(key, entry)
    this.changed()
    return this.#is('returns the previous entry') ? (before ?? entry) : entry
  }

  remove(key: string): void {
    if (!this.#is('keeps removed entries')) this.stored.delete(key)
    this.changed()
  }

  list(previous?: ConfigDocument): ConfigDocument {
    const entries = [...this.stored.values()]
    if (!this.#is('merges in write order')) entries.sort((a, b) => (a.key < b.key ? -1 : 1))
    if (this.#is('invents an entry')) entries.push({ key: 'z', content: '', format: 'text', revision: '1' })
    return createConfigDocument(
      'reference',
      entries,
      this.#is('recreates entries') || this.#is('reports without a change') ? undefined : previous,
    )
  }

  /** @throws SdError `SD_NOT_FOUND` if a required entry is missing */
  checkThere(): void {
    const isEmpty = [...this.stored.values()].every(({ content }) => content === '')
    const isMissing =
      this.stored.size === 0 ? !this.#is('treats missing as empty') : isEmpty && this.#is('treats empty as missing')
    if (isMissing) throw new SdError('SD_NOT_FOUND', 'reference has nothing (required)', { retryable: true })
  }
}

/** Creates the simplest source that meets the contract, unless it is broken on purpose. */
export function createReferenceConfig(mutation: ConfigMutation = 'none'): ConfigBackend {
  const entries = new ReferenceEntries(mutation)
  const { stored, listeners } = entries
  const links = new Map<object, (connected: boolean) => void>()
  const opened: WritableConfigSource[] = []
  const is = (one: ConfigMutation): boolean => mutation === one
  const heartbeat = setInterval(() => is('reports without a change') && entries.changed(), 20)
  heartbeat.unref()

  function openSound(isRequired: boolean = false): WritableConfigSource {
    let lost = new AbortController()
    const isUnreachable = (): boolean => lost.signal.aborted

    function reach(): void {
      if (isUnreachable()) throw new SdError('SD_UNAVAILABLE', 'reference is unreachable')
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
      maxBytes: is('accepts any length') ? 1_000_000 : referenceLargestBytes,
      async read() {
        if (is('is empty in an outage') && isUnreachable()) return createConfigDocument('reference', [])
        reach()
        if (isRequired) entries.checkThere()
        return entries.list()
      },
      async follow({ offer, previous, signal }) {
        if (is('is empty in an outage') && isUnreachable()) offer(createConfigDocument('reference', []))
        reach()
        const missing = new AbortController()
        const notify = (): void => {
          try {
            if (isRequired) entries.checkThere()
          } catch (error) {
            missing.abort(error)
            return
          }
          if (is('reports no change') && previous()) return
          if (is('misses every tenth change') && entries.revisions % 10 === 0 && entries.revisions > 0) return
          const before = previous()
          const document = entries.list(before)
          const removed = before?.entries.filter(({ key }) => !stored.has(key)) ?? []
          if (is('keeps entries removed in an outage')) offer({ ...document, entries: [...document.entries, ...removed] })
          else if (is('yields another form in a watch')) offer({ ...document, source: 'another' })
          else offer(document)
        }
        notify()
        listeners.add(notify)
        await untilAborted(AbortSignal.any([signal, missing.signal, ...(is('hides an outage') ? [] : [lost.signal])]))
        listeners.delete(notify)
        missing.signal.throwIfAborted()
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
