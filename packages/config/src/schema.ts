import type { StandardSchemaV1 } from '@standard-schema/spec'
import { isTree, valueAt } from './path.ts'
import { readPlainText, readRefusedText } from './text-values.ts'

// Unions may refuse their texts one after the other.
const maxRounds = 32

/** What is wrong with a value, and where. */
export interface SchemaIssue {
  readonly keys: readonly string[]
  readonly message: string
}

/** A valid value, or what is wrong. */
export type SchemaResult = { readonly value: unknown } | { readonly issues: readonly SchemaIssue[] }

/**
 * Validates a tree. What the schema refuses and was written as a text is given to it once more as what the text reads as. Without a schema texts
 * are read where that loses nothing.
 *
 * @param isText whether what is at a path was written without a type
 */
export async function validate(
  schema: StandardSchemaV1 | undefined,
  tree: unknown,
  isText: (keys: readonly string[]) => boolean,
): Promise<SchemaResult> {
  if (!schema) return { value: readTexts(tree, [], isText) }
  let input = tree
  for (let round = 0; ; round++) {
    const result = await runSchema(schema, input)
    if (!result.issues) return { value: result.value }
    const issues = result.issues.map(({ path = [], message }) => ({ keys: path.map(toKey), message }))
    const texts = round < maxRounds ? issues.flatMap(({ keys }) => (isText(keys) ? (readAt(input, keys) ?? []) : [])) : []
    if (texts.length === 0) return { issues }
    const next = structuredClone(input)
    for (const { keys, value } of texts) write(next, keys, value)
    input = next
  }
}

/** What a schema throws is an issue like others: it may quote a secret, which is masked there. */
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

function readTexts(value: unknown, keys: readonly string[], isText: (keys: readonly string[]) => boolean): unknown {
  if (typeof value === 'string') return isText(keys) ? readPlainText(value) : value
  if (Array.isArray(value)) return value.map((item, index) => readTexts(item, [...keys, String(index)], isText))
  if (!isTree(value)) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, readTexts(item, [...keys, key], isText)]))
}

/** What the text at a path reads as; `undefined` if there is no text, or it reads as nothing else. */
function readAt(
  root: unknown,
  keys: readonly string[],
): { readonly keys: readonly string[]; readonly value: unknown } | undefined {
  const text = valueAt(root, keys)
  const value = typeof text === 'string' ? readRefusedText(text) : undefined
  return value === undefined ? undefined : { keys, value }
}

function write(root: unknown, keys: readonly string[], value: unknown): void {
  const parent = valueAt(root, keys.slice(0, -1)) as Record<string, unknown>
  parent[keys.at(-1) as string] = value
}
