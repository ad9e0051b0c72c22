import { setImmediate } from 'node:timers/promises'
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { isTree, valueAt } from './config-tree.ts'
import { readingsOf, readPlainText, type TextReading } from './text-values.ts'

/** A schema that reports one issue at a time runs once per issue. After this number of rounds the event loop gets a turn. */
const roundsPerTurn = 16

/** A rejected value. */
export interface SchemaIssue {
  readonly keys: readonly string[]
  readonly message: string
}

/** A valid value, or the issues. */
export type SchemaResult = { readonly value: unknown } | { readonly issues: readonly SchemaIssue[] }

/** Options of {@link validate}. */
export interface ValidateOptions {
  /** Whether the value at a path is an untyped text. */
  readonly isText: (keys: readonly string[]) => boolean
  /** Aborts at the time limit of the update. */
  readonly signal: AbortSignal
}

/** A text that is being converted for the schema. */
interface Attempt {
  readonly keys: readonly string[]
  readonly readings: readonly TextReading[]
  /** Number of readings tried so far. */
  tried: number
  /** Message if the schema accepts none of the readings. */
  message: string
}

/**
 * Validates a tree. An untyped text that the schema rejects is passed to it again in other readings, see {@link readingsOf}.
 * Without a schema, texts are converted if nothing is lost.
 */
export async function validate(
  schema: StandardSchemaV1 | undefined,
  tree: unknown,
  { isText, signal }: ValidateOptions,
): Promise<SchemaResult> {
  if (!schema) return { value: readTexts(tree, [], isText) }
  const attempts = new Map<string, Attempt>()
  let input = tree
  for (let round = 1; ; round++) {
    const result = await runSchema(schema, input)
    if (!result.issues) return { value: result.value }
    const issues = result.issues.map(({ path = [], message }) => ({ keys: path.map(toKey), message }))
    if (input === tree) input = structuredClone(tree)
    const advanced = new Set<string>()
    for (const issue of issues) {
      const path = issue.keys.join('\0')
      if (!advanced.has(path) && advance(issue)) advanced.add(path)
    }
    if (advanced.size === 0) return { issues: issues.map(explain) }
    if (round % roundsPerTurn === 0) await setImmediate()
    signal.throwIfAborted()
  }

  /** Puts the next reading of a rejected text into the input. @returns whether there was one */
  function advance({ keys, message }: SchemaIssue): boolean {
    const attempt = attemptAt(keys, message)
    if (!attempt) return false
    const [first] = attempt.readings
    // The message about the first reading is the most useful one. That the text is not a list either adds nothing.
    if (attempt.tried === 1 && !first?.isList && typeof first?.value !== 'bigint') attempt.message = message
    const reading = attempt.readings[attempt.tried]
    if (!reading) return false
    attempt.tried++
    write(input, keys, reading.value)
    return true
  }

  function attemptAt(keys: readonly string[], message: string): Attempt | undefined {
    const path = keys.join('\0')
    const found = attempts.get(path)
    if (found) return found
    const text = valueAt(input, keys)
    if (typeof text !== 'string' || !(isText(keys) || isListItem(keys))) return undefined
    const { readings, problem } = readingsOf(text)
    const attempt = { keys, readings, tried: 0, message: problem ?? message }
    attempts.set(path, attempt)
    return attempt
  }
  /** Whether the value at a path is an item of a list that was read from a text. */
  function isListItem(keys: readonly string[]): boolean {
    const list = attempts.get(keys.slice(0, -1).join('\0'))
    return list?.readings[list.tried - 1]?.isList === true
  }
  function explain(issue: SchemaIssue): SchemaIssue {
    const attempt = attempts.get(issue.keys.join('\0'))
    const isExhausted = attempt && attempt.tried === attempt.readings.length
    return isExhausted ? { keys: issue.keys, message: attempt.message } : issue
  }
}

/** Runs the schema. An exception becomes an issue like any other, because it may quote a secret, which is masked in issues. */
async function runSchema(schema: StandardSchemaV1, input: unknown): Promise<StandardSchemaV1.Result<unknown>> {
  try {
    return await schema['~standard'].validate(input)
  } catch (error) {
    return { issues: [{ message: `threw ${error instanceof Error ? error.message : String(error)}` }] }
  }
}

function toKey(segment: PropertyKey | StandardSchemaV1.PathSegment): string {
  return String(typeof segment === 'object' ? segment.key : segment)
}

function readTexts(value: unknown, keys: readonly string[], isText: ValidateOptions['isText']): unknown {
  if (typeof value === 'string') return isText(keys) ? readPlainText(value) : value
  if (Array.isArray(value)) return value.map((item, index) => readTexts(item, [...keys, String(index)], isText))
  if (!isTree(value)) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, readTexts(item, [...keys, key], isText)]))
}

function write(root: unknown, keys: readonly string[], value: unknown): void {
  const parent = valueAt(root, keys.slice(0, -1)) as Record<string, unknown>
  // A copy: items of a list are replaced later, and the reading itself must not change.
  parent[keys.at(-1) as string] = structuredClone(value)
}
