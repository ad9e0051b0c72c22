import { checkKnownKeys, invalidError, SdError } from '@sd/core'

/** A part of a JSON Schema, draft 7. */
export type JsonSchema = Readonly<Record<string, unknown>>

/** What is wrong with a value, and where. */
export interface Problem {
  /** Path of the value. */
  readonly keys: readonly string[]
  /** The problem, as the predicate of a sentence. It shows no secret. */
  readonly message: string
}

/** Receives the problems of a value. */
export type Report = (problem: Problem) => void

/** What a value must be: for the check of a document, and for the JSON Schema that editors use. */
export interface Rule {
  readonly schema: JsonSchema
  /** Reports what is wrong with a value. */
  check(value: unknown, keys: readonly string[], report: Report): void
}

/** An object, as YAML and JSON have it. */
export type PlainObject = Readonly<Record<string, unknown>>

/** Whether a value is an object that is not a list. */
export function isPlainObject(value: unknown): value is PlainObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The predicate of a sentence: `got 5, want a text`. */
export function mismatch(got: unknown, want: string): string {
  return predicateOf(invalidError('it', got, want))
}

/** The message of an error about a field, without the field. */
export function predicateOf(error: SdError): string {
  if (error.field === undefined) return error.message
  return error.message.replace(`Invalid ${error.field}: `, '').replace(/^unknown field/, 'is an unknown field')
}

/** A rule for a value that `accepts` decides alone. */
function leaf(schema: JsonSchema, want: string, accepts: (value: unknown) => boolean): Rule {
  return {
    schema: { description: capitalise(want), ...schema },
    check(value, keys, report) {
      if (!accepts(value)) report({ keys, message: mismatch(value, want) })
    },
  }
}

/** A text. */
export function text(want: string, { pattern = /\S/, maxLength = 1_024 }: { pattern?: RegExp; maxLength?: number } = {}): Rule {
  return leaf(
    { type: 'string', pattern: pattern.source, maxLength },
    want,
    (value) => typeof value === 'string' && value.length <= maxLength && pattern.test(value),
  )
}

/** Any text, also an empty one. */
export function anyText(want: string): Rule {
  return text(want, { pattern: /^/, maxLength: 65_536 })
}

/** A text that may be a secret: no message shows it. */
export function secretText(want: string, pattern: RegExp): Rule {
  return {
    schema: { type: 'string', pattern: pattern.source, description: capitalise(want) },
    check(value, keys, report) {
      if (typeof value === 'string' && pattern.test(value)) return
      report({ keys, message: typeof value === 'string' ? `got another text, want ${want}` : mismatch(value, want) })
    },
  }
}

/**
 * The same rule, whose problems have the path of the parent: `@sd/config` replaces the message for a path whose name looks
 * like that of a secret, such as `key` and `cookie`.
 */
export function atParent(rule: Rule): Rule {
  return {
    schema: rule.schema,
    check(value, keys, report) {
      const at = keys.slice(0, -1)
      rule.check(value, keys, (problem) => {
        const inner = problem.keys.slice(at.length).join('.')
        report({ keys: at, message: `${inner} ${problem.message}` })
      })
    },
  }
}

/** A whole number. */
export function integer(min: number, max: number = Number.MAX_SAFE_INTEGER): Rule {
  return leaf(
    { type: 'integer', minimum: min, maximum: max },
    max === Number.MAX_SAFE_INTEGER ? `an integer of at least ${min}` : `an integer from ${min} to ${max}`,
    (value) => Number.isInteger(value) && (value as number) >= min && (value as number) <= max,
  )
}

/** A number. */
export function number(min: number, max: number): Rule {
  return leaf(
    { type: 'number', minimum: min, maximum: max },
    `a number from ${min} to ${max}`,
    (value) => typeof value === 'number' && value >= min && value <= max,
  )
}

/** True or false. */
export function boolean(): Rule {
  return leaf({ type: 'boolean' }, 'true or false', (value) => typeof value === 'boolean')
}

/** One of some values. */
export function oneOf(values: readonly (string | number)[]): Rule {
  return leaf({ enum: values }, `one of ${values.join(', ')}`, (value) => values.includes(value as string))
}

/** A list. */
export function list(item: Rule, { min = 0 }: { min?: number } = {}): Rule {
  const want = min === 0 ? 'a list' : `a list of at least ${min === 1 ? 'one item' : `${min} items`}`
  return {
    schema: { type: 'array', items: item.schema, ...(min > 0 && { minItems: min }) },
    check(value, keys, report) {
      if (!Array.isArray(value) || value.length < min) report({ keys, message: mismatch(value, want) })
      else for (const [index, inner] of value.entries()) item.check(inner, [...keys, String(index)], report)
    },
  }
}

/** An object with names of the author's choice. */
export function record(item: Rule): Rule {
  return {
    schema: { type: 'object', additionalProperties: item.schema },
    check(value, keys, report) {
      if (!isPlainObject(value)) report({ keys, message: mismatch(value, 'an object') })
      else for (const [key, inner] of Object.entries(value)) item.check(inner, [...keys, key], report)
    },
  }
}

/** How many of some fields an object has. */
export interface ObjectShape {
  /** Fields that it must have. @default none */
  readonly required?: readonly string[]
  /** Fields of which it must have exactly one. @default no such group */
  readonly exactlyOne?: readonly string[]
  /** Whether it may have further fields, which are not checked. @default false */
  readonly isOpen?: boolean
  /** What it is, for editors. */
  readonly description?: string
}

/** An object with known fields. `Fields` is the type that it describes, so that the compiler finds a missing field. */
export function object<Fields>(fields: Readonly<Record<keyof Fields & string, Rule>>, shape: ObjectShape = {}): Rule {
  const { required = [], exactlyOne = [], isOpen = false, description } = shape
  const rules: Readonly<Record<string, Rule>> = fields
  const known = Object.keys(rules)
  return {
    schema: {
      type: 'object',
      ...(description !== undefined && { description }),
      properties: Object.fromEntries(Object.entries(rules).map(([name, rule]) => [name, rule.schema])),
      ...(!isOpen && { additionalProperties: false }),
      ...(required.length > 0 && { required }),
      ...(exactlyOne.length > 0 && { oneOf: exactlyOne.map((name) => ({ required: [name] })) }),
    },
    check(value, keys, report) {
      if (!isPlainObject(value)) return report({ keys, message: mismatch(value, 'an object') })
      for (const [name, inner] of Object.entries(value)) {
        const rule = Object.hasOwn(rules, name) ? rules[name] : undefined
        if (rule) rule.check(inner, [...keys, name], report)
        else if (!isOpen) report({ keys: [...keys, name], message: unknownField(name, known) })
      }
      for (const name of required) {
        if (!Object.hasOwn(value, name)) report({ keys, message: `has no ${name}` })
      }
      const found = exactlyOne.filter((name) => Object.hasOwn(value, name))
      if (exactlyOne.length > 0 && found.length !== 1) {
        report({ keys, message: `has ${found.join(' and ') || 'none'}, want exactly one of ${exactlyOne.join(', ')}` })
      }
    },
  }
}

/** A value of the first alternative whose type fits; the last one also gets all other values. */
export function either(alternatives: readonly { readonly fits: (value: unknown) => boolean; readonly rule: Rule }[]): Rule {
  return {
    schema: { anyOf: alternatives.map(({ rule }) => rule.schema) },
    check(value, keys, report) {
      const found = alternatives.find(({ fits }) => fits(value)) ?? alternatives.at(-1)
      found?.rule.check(value, keys, report)
    },
  }
}

/** Whether a value is a text. */
export function isText(value: unknown): boolean {
  return typeof value === 'string'
}

function unknownField(name: string, known: readonly string[]): string {
  try {
    checkKnownKeys('', { [name]: undefined }, known)
  } catch (error) {
    if (error instanceof SdError) return predicateOf(error)
  }
  return 'is an unknown field'
}

function capitalise(sentence: string): string {
  return `${sentence.charAt(0).toUpperCase()}${sentence.slice(1)}`
}
