import type { LiveConfigVersion } from './committed-config.ts'
import { valueAt } from './config-tree.ts'
import type { Layer } from './layer.ts'
import { maskValue, type SecretTest } from './secrets.ts'

/** What a source says about a path. */
export interface ConfigOrigin {
  /** Name of the source; `defaults` and `overrides` are those of the configuration itself, `schema` a value that is in none. */
  readonly source: string
  /** Key of the entry. */
  readonly key?: string | undefined
  /** Line in the entry, from 1, where the format tells it. */
  readonly line?: number | undefined
  /** What is written there, before placeholders and schema; secrets are masked. */
  readonly written: unknown
}

/** Where a value comes from. */
export interface ConfigExplanation extends ConfigOrigin {
  /** The path. */
  readonly path: string
  /** What counts; secrets are masked. */
  readonly value: unknown
  /** Whether it is secret. */
  readonly isSecret: boolean
  /** What it overrode, the highest first; what an object was merged with, likewise. */
  readonly overrode: readonly ConfigOrigin[]
}

/** Explains what is at a path. */
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
