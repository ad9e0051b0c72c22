import { createHash } from 'node:crypto'
import { formatOfKey, isConfigKey, parseJsonObject } from '@sd/adapter-kit'
import type { KubeObject } from '@sd/connection-kubernetes'
import type { ConfigAnnotations, ConfigEntry } from '@sd/core'

/** Kinds of objects that hold configuration. */
export type ConfigKind = 'ConfigMap' | 'Secret'

/** The fields of a ConfigMap or Secret that are used here. */
export interface ConfigObject extends KubeObject {
  /** Texts; base64 in a Secret. */
  readonly data?: Readonly<Record<string, string>> | null
  /** Binary values of a ConfigMap, in base64. */
  readonly binaryData?: Readonly<Record<string, string>> | null
  /** Whether Kubernetes rejects every change. */
  readonly immutable?: boolean
}

/** A text to write, with its annotations. */
export interface EntryText extends ConfigAnnotations {
  readonly content: string
}

/** Annotation with author and comment: JSON by data key, each with the revision of its text. */
const notesAnnotation = 'sd/entries'

type Notes = Readonly<Record<string, unknown>>

const readings = new WeakMap<ConfigObject, readonly ConfigEntry[]>()

/** The entries of an object, by key. Cached, because a changed object is a new JavaScript object. */
export function readEntries(kind: ConfigKind, object: ConfigObject): readonly ConfigEntry[] {
  const before = readings.get(object)
  if (before) return before
  const notes = readNotes(object)
  const decode = ([key, base64]: [string, string]): [string, string] => [key, Buffer.from(base64, 'base64').toString()]
  const data = Object.entries(object.data ?? {})
  const texts = kind === 'Secret' ? data.map(decode) : [...data, ...Object.entries(object.binaryData ?? {}).map(decode)]
  const entries = texts
    .filter(([key]) => isConfigKey(pathOf(object, key)))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, content]): ConfigEntry => {
      const revision = revisionOf(object, content)
      return {
        key: pathOf(object, key),
        content,
        format: formatOfKey(key),
        revision,
        ...readNote(notes[key], revision),
        ...(kind === 'Secret' && { isSecret: true }),
      }
    })
  readings.set(object, entries)
  return entries
}

/** The object with a text replaced or removed. */
export function withEntry(kind: ConfigKind, object: ConfigObject, key: string, text: EntryText | undefined): ConfigObject {
  const { metadata } = object
  const data = without(object.data, key)
  const { [notesAnnotation]: _, ...annotations } = metadata.annotations ?? {}
  const notes = without(readNotes(object), key)
  const { author, comment } = text ?? {}
  const isNoted = text && (author !== undefined || comment !== undefined)
  const next = isNoted ? { ...notes, [key]: { revision: revisionOf(object, text.content), author, comment } } : notes
  const written = text && { [key]: kind === 'Secret' ? Buffer.from(text.content).toString('base64') : text.content }
  return {
    ...object,
    metadata: {
      ...metadata,
      annotations: { ...annotations, ...(Object.keys(next).length > 0 && { [notesAnnotation]: JSON.stringify(next) }) },
    },
    data: { ...data, ...written },
    ...(object.binaryData && { binaryData: without(object.binaryData, key) }),
  }
}

function pathOf({ metadata }: ConfigObject, key: string): string {
  return `${metadata.name}/${key}`
}

/**
 * Revision of one text: the version of the object changes with every other text in it. The uid of the object makes the revision
 * differ after the object was created again, and prevents guessing a secret from its revision.
 */
function revisionOf({ metadata }: ConfigObject, content: string): string {
  return createHash('sha256').update(`${metadata.uid}\n${content}`).digest('hex').slice(0, 24)
}

function readNotes({ metadata, data, binaryData }: ConfigObject): Notes {
  try {
    const notes = parseJsonObject(metadata.annotations?.[notesAnnotation] ?? '{}', notesAnnotation)
    const isThere = (key: string): boolean => Object.hasOwn({ ...data, ...binaryData }, key)
    return Object.fromEntries(Object.entries(notes).filter(([key]) => isThere(key)))
  } catch {
    return {}
  }
}

/** Author and comment of a revision; empty if the text was changed without them. */
function readNote(note: unknown, revision: string): ConfigAnnotations {
  const { author, comment, revision: about } = (note ?? {}) as Readonly<Record<string, unknown>>
  if (about !== revision) return {}
  return { ...(typeof author === 'string' && { author }), ...(typeof comment === 'string' && { comment }) }
}

function without<T>(record: Readonly<Record<string, T>> | null | undefined, key: string): Readonly<Record<string, T>> {
  const { [key]: _, ...rest } = record ?? {}
  return rest
}
