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

/** The simplest source that keeps the contract, unless it is broken on purpose. */
export function createReferenceConfig(mutation: ConfigMutation = 'none'): ConfigBackend {
  const stored = new Map<string, ConfigEntry>()
  const listeners = new Set<() => void>()
  const links = new Map<object, (connected: boolean) => void>()
  const opened: WritableConfigSource[] = []
  const is = (one: ConfigMutation): boolean => mutation === one
  let revisions = 0
  const heartbeat = setInterval(() => is('tells without a change') && changed(), 20)
  heartbeat.unref()

  function changed(): void {
    for (const listener of [...listeners]) listener()
  }

  function write(key: string, text: string, annotations: ConfigAnnotations = {}): ConfigEntry {
    const whole = is('trims content') ? text.trim() : text
    const content = is('cuts long content') ? whole.slice(0, 1_000) : whole
    const revision = String(is('has one revision') ? 1 : ++revisions)
    const author = is('keeps the author of others') ? (annotations.author ?? stored.get(key)?.author) : annotations.author
    const comment = is('loses comments') ? undefined : annotations.comment
    const entry: ConfigEntry = { key, content, format: formatOfKey(key), revision, author, comment }
    const before = stored.get(key)
    stored.set(key, entry)
    changed()
    return is('returns what was there') ? (before ?? entry) : entry
  }

  function remove(key: string): void {
    if (!is('keeps what was removed')) stored.delete(key)
    changed()
  }

  function list(previous?: ConfigDocument): ConfigDocument {
    const entries = [...stored.values()]
    if (!is('merges in the order of writing')) entries.sort((a, b) => (a.key < b.key ? -1 : 1))
    if (is('invents an entry')) entries.push({ key: 'z', content: '', format: 'text', revision: '1' })
    return createConfigDocument(
      'reference',
      entries,
      is('makes entries anew') || is('tells without a change') ? undefined : previous,
    )
  }

  /** @throws SdError `SD_NOT_FOUND` where something is required and nothing is there */
  function checkThere(): void {
    const isEmpty = [...stored.values()].every(({ content }) => content === '')
    const isMissing =
      stored.size === 0 ? !is('takes what is missing for empty') : isEmpty && is('takes what is empty for missing')
    if (isMissing) throw new SdError('SD_NOT_FOUND', 'reference has nothing (required)', { retryable: true })
  }

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
        if (isRequired) checkThere()
        return list()
      },
      async follow({ offer, previous, signal }) {
        if (is('is empty when away') && isAway()) offer(createConfigDocument('reference', []))
        reach()
        const gone = new AbortController()
        const tell = (): void => {
          try {
            if (isRequired) checkThere()
          } catch (error) {
            gone.abort(error)
            return
          }
          if (is('tells of no change') && previous()) return
          if (is('misses every tenth change') && revisions % 10 === 0 && revisions > 0) return
          const before = previous()
          const document = list(before)
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
        return write(act.key, content, act)
      },
      async remove(act) {
        check(act)
        if (!is('deletes nothing')) remove(act.key)
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
      const source = breakConfigSource({ source: sound, another: openSound, write }, mutation)
      links.set(source, (connected) => links.get(sound)?.(connected))
      return source
    },
    openRequired: async () => openSound(true),
    write: async (key, content) => void write(key, content),
    remove: async (key) => remove(key),
    setConnected: (source, connected) => links.get(source)?.(connected),
    async dispose() {
      clearInterval(heartbeat)
      await Promise.all(opened.map((source) => source.close()))
    },
  }
}
