import { describeThrown } from '@sd/core'

/** Most levels that are copied. */
const maxDepth = 8
/** Most fields of an object, or items of a list, that are copied. */
const maxFields = 200
/** Most characters of a text that are copied. */
const maxText = 100_000

/**
 * A copy of anything that JSON can hold: what can't be read says so in its place, whatever it is. For values that could not be logged as they
 * are, such as a revoked proxy, an object whose getter throws, or an error whose message is none.
 */
export function copyPlain(value: unknown): unknown {
  return copy(value, 0)
}

/** As {@link copyPlain}, for the fields of a line: what is not an object becomes the field `value`. */
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
  if (depth >= maxDepth) return '[deeper than is logged]'
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
