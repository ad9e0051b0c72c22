import { readJsonValue } from './text/json-text.ts'
import { unsafeInteger } from './text/numbers.ts'
import { TextError } from './text/text-error.ts'

/**
 * Converts a text without a schema: to a number if it is written exactly as JavaScript would write it, `true` and `false` to a
 * boolean; other texts are unchanged. So `5` becomes a number, while `007`, `1e3` and `1.10` stay texts.
 */
export function readPlainText(text: string): unknown {
  if (text === 'true' || text === 'false') return text === 'true'
  return text !== '' && Number.isFinite(Number(text)) && String(Number(text)) === text ? Number(text) : text
}

/** One way to read a text. */
export interface TextReading {
  /** The value read from the text. */
  readonly value: unknown
  /** Whether it is a list of texts, whose items are converted in the same way. */
  readonly isList: boolean
}

/** Ways to read a text that a schema rejected. */
export interface TextReadings {
  /** The readings, in the order in which the schema receives them. */
  readonly readings: readonly TextReading[]
  /** Why a reading was omitted. */
  readonly problem?: string | undefined
}

/**
 * Ways to read a text that a schema rejected: as a number, `true` or `false`, or a JSON array or object, then as a
 * comma-separated list. A single value is a list of one item and an empty text an empty list, so that a list is read in the
 * same way for any number of items.
 */
export function readingsOf(text: string): TextReadings {
  const trimmed = text.trim()
  if (/^[[{]/.test(trimmed)) return readJson(trimmed)
  const items = trimmed === '' ? [] : trimmed.split(',').map((item) => item.trim())
  // A union schema reports the list as a whole and does not name the rejected item.
  const list = [{ value: items, isList: true }, plain(items.map(readPlainText))]
  if (/^(true|false)$/i.test(trimmed)) return { readings: [plain(trimmed.toLowerCase() === 'true'), ...list] }
  const number = Number(trimmed)
  if (trimmed === '' || !Number.isFinite(number)) return { readings: list }
  const isInteger = /^[-+]?\d+$|^0[xob]/i.test(trimmed)
  if (!isInteger) return { readings: [plain(number), ...list] }
  // A schema may expect a bigint.
  const integer = plain(BigInt(trimmed.replace(/^\+/, '')))
  if (Number.isSafeInteger(number)) return { readings: [plain(number), integer, ...list] }
  return { readings: [integer, ...list], problem: unsafeInteger }
}

function readJson(text: string): TextReadings {
  try {
    const value = readJsonValue(text)
    return { readings: [plain(value), plain([value])] }
  } catch (error) {
    if (!(error instanceof TextError)) throw error
    return readItems(text) ?? { readings: [], problem: error.message }
  }
}

/** A list of JSON objects or arrays without the brackets around it. */
function readItems(text: string): TextReadings | undefined {
  try {
    return { readings: [plain(readJsonValue(`[${text}]`))] }
  } catch {
    return undefined
  }
}

function plain(value: unknown): TextReading {
  return { value, isList: false }
}
