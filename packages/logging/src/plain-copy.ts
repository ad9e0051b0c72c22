import { describeThrown } from '@sd/core'

/** Maximum depth of a copy. */
const maxDepth = 8
/** Maximum number of copied fields of an object or items of a list. */
const maxFields = 200
/** Maximum number of copied characters of a text. */
const maxText = 100_000

/**
 * Copies any value to plain JSON, with a note in place of unreadable parts. For values that can't be logged directly, such as a
 * revoked proxy, an object with a throwing getter, or an error whose message is not a string.
 */
export function copyPlain(value: unknown): unknown {
  return copy(value, 0)
}

/** As {@link copyPlain}, for the fields of a line: a value that is not an object becomes the field `value`. */
export function copyFields(value: unknown): Readonly<Record<string, unknown>> {
  const copied = copyPlain(value)
  if (typeof copied === 'object' && copied !== null && !Array.isArray(copied)) return copied as Record<string, unknown>
  return copied === undefined ? {} : { value: copied }
}

function copy(value: unknown, depth: number): unknown {
  switch (typeof value) {
    case 'string':
      return value.slice(0, maxText)
    case 'number':
    case 'boolean':
    case 'undefined':
      return value
    case 'object':
      return value === null ? null : attempt(() => copyObject(value, depth))
    default:
      return attempt(() => (typeof value === 'function' ? '[function]' : String(value)))
  }
}

function copyObject(value: object, depth: number): unknown {
  if (depth >= maxDepth) return '[nested too deeply]'
  if (Array.isArray(value)) return Array.from(value.slice(0, maxFields), (item) => copy(item, depth + 1))
  if (value instanceof Date) return String(value)
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`
  const keys = Object.keys(value)
  if (value instanceof Error) keys.unshift(...['name', 'message', 'stack', 'cause'].filter((key) => key in value))
  const fields: [string, unknown][] = []
  for (const key of new Set(keys.slice(0, maxFields))) {
    fields.push([key, attempt(() => copy((value as Record<string, unknown>)[key], depth + 1))])
  }
  return Object.fromEntries(fields)
}

function attempt(read: () => unknown): unknown {
  try {
    return read()
  } catch (error) {
    return `[can't be read: ${describeThrown(error).slice(0, 200)}]`
  }
}
