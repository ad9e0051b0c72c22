import type { LiveConfigVersion } from './committed-config.ts'
import { valueAt } from './config-tree.ts'
import type { Layer } from './layer.ts'
import { maskValue, type SecretTest } from './secrets.ts'

/** Value of one source at a path. */
export interface ConfigOrigin {
  /** Name of the source. `defaults` and `overrides` belong to the configuration itself; `schema` is a value that no source has. */
  readonly source: string
  /** Key of the entry. */
  readonly key?: string | undefined
  /** Line in the entry, from 1, if the format has lines. */
  readonly line?: number | undefined
  /** Value as written, before placeholders and schema; secrets are masked. */
  readonly written: unknown
}

/** Origin of a value. */
export interface ConfigExplanation extends ConfigOrigin {
  /** The path. */
  readonly path: string
  /** Value in effect; secrets are masked. */
  readonly value: unknown
  /** Whether the value is secret. */
  readonly isSecret: boolean
  /** Overridden values, highest first. For an object, the objects it was merged with. */
  readonly overrode: readonly ConfigOrigin[]
}

/** Explains the value at a path. */
export function explainPath(keys: readonly string[], { value, layers, isSecret, redact }: LiveConfigVersion): ConfigExplanation {
  const [winner, ...overrode] = layers.at(keys).map((layer) => toOrigin(layer, keys, isSecret, redact))
  return {
    path: keys.join('.'),
    value: maskValue(valueAt(value, keys), keys, isSecret, redact),
    isSecret: isSecret(keys),
    ...(winner ?? { source: 'schema', written: undefined }),
    overrode,
  }
}

function toOrigin(layer: Layer, keys: readonly string[], isSecret: SecretTest, redact: (text: string) => string): ConfigOrigin {
  const { source, key, tree } = layer
  return { source, key, line: layer.lineOf(keys), written: maskValue(valueAt(tree, keys), keys, isSecret, redact) }
}
