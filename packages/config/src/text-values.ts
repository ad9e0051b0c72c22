import { readJsonValue } from './text/json-text.ts'
import { unsafeInteger } from './text/numbers.ts'
import { TextError } from './text/text-error.ts'

/**
 * What a text reads as where no schema says what is wanted: a number if it is written exactly as JavaScript would, `true` and `false` a
 * boolean, anything else itself. So `5` is a number, while `007`, `1e3` and `1.10` stay texts.
 */
export function readPlainText(text: string): unknown {
  if (text === 'true' || text === 'false') return text === 'true'
  return text !== '' && Number.isFinite(Number(text)) && String(Number(text)) === text ? Number(text) : text
}

/** One way to read a text. */
export interface TextReading {
  /** What it reads as. */
  readonly value: unknown
  /** Whether it is a list of texts, which are read for the schema in turn. */
  readonly isList: boolean
}

/** Ways to read a text that a schema refused. */
export interface TextReadings {
  /** In the order in which the schema is asked. */
  readonly readings: readonly TextReading[]
  /** Why a reading was left out. */
  readonly problem?: string | undefined
}

/**
 * How a text can be read that a schema refused: as a number, `true` or `false`, or a JSON array or object, and then as a list of what stands between
 * commas. One value is a list of one, and an empty text an empty list, so that a list is read in the same way whatever the number of its items.
 */
export function readingsOf(text: string): TextReadings {
  const trimmed = text.trim()
  if (/^[[{]/.test(trimmed)) return readJson(trimmed)
  const items = trimmed === '' ? [] : trimmed.split(',').map((item) => item.trim())
  // A schema that is a union tells of the list as a whole, and not which item it refuses.
  const list = [{ value: items, isList: true }, plain(items.map(readPlainText))]
  if (/^(true|false)$/i.test(trimmed)) return { readings: [plain(trimmed.toLowerCase() === 'true'), ...list] }
  const number = Number(trimmed)
  if (trimmed === '' || !Number.isFinite(number)) return { readings: list }
  const isInteger = /^[-+]?\d+$|^0[xob]/i.test(trimmed)
  if (!isInteger) return { readings: [plain(number), ...list] }
  // A schema may want an integer of any size.
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
