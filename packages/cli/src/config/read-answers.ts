import { type ConfigAnswer, masking } from '@sd/core'

type Fields = Readonly<Record<string, unknown>>
type Explanation = NonNullable<ConfigAnswer['explanation']>

/** The value of one source. */
export type ConfigOrigin = Explanation['overrode'][number]

/** Most answers of one process, and most overridden values of one answer. */
const most = 100

/** An answer about a configuration, as far as it explains a value. */
export type ConfigExplained = Pick<ConfigAnswer, 'config' | 'version'> & { readonly explanation: Explanation }

/** Reads what a process answers to `/config?path=`; it is text from outside. What can't be read is left out. */
export function readConfigAnswers(body: unknown): readonly ConfigExplained[] {
  return listOf(fieldsOf(body)?.['answers']).flatMap((answer) => {
    const { config, version, explanation } = fieldsOf(answer) ?? {}
    const origin = readOrigin(explanation)
    const { path, value, isSecret, overrode } = fieldsOf(explanation) ?? {}
    if (typeof config !== 'string' || !origin || typeof path !== 'string') return []
    const overridden = listOf(overrode).flatMap((one) => readOrigin(one) ?? [])
    const keys = path.split('.')
    return [
      {
        config,
        version: typeof version === 'number' ? version : 0,
        explanation: {
          ...origin,
          path,
          value: masking.value(value, keys),
          written: masking.value(origin.written, keys),
          isSecret: isSecret === true,
          overrode: overridden.map((one) => ({ ...one, written: masking.value(one.written, keys) })),
        },
      },
    ]
  })
}

function readOrigin(value: unknown): ConfigOrigin | undefined {
  const { source, key, line, written } = fieldsOf(value) ?? {}
  if (typeof source !== 'string') return undefined
  return { source, ...(typeof key === 'string' && { key }), ...(typeof line === 'number' && { line }), written }
}

function fieldsOf(value: unknown): Fields | undefined {
  return typeof value === 'object' && value !== null ? (value as Fields) : undefined
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value.slice(0, most) : []
}
