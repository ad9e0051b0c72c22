import { toSdError, withTimeout } from '@sd/core'
import { type ConfigFailure, configError, maxFailures } from './failure.ts'
import type { Layer } from './layer.ts'
import { type MergedLayers, mergeLayers } from './merge-layers.ts'
import type { ResolvedConfigOptions } from './options.ts'
import { PlaceholderError, resolvePlaceholders } from './placeholders.ts'
import { validate } from './schema.ts'
import { createRedaction, type SecretTest } from './secrets.ts'

/** A complete configuration: merged, resolved and validated. */
export interface BuiltConfig {
  /** Output of the schema. */
  readonly value: unknown
  /** The merged layers it was built from. */
  readonly layers: MergedLayers
  /** Whether the value at a path is secret. */
  readonly isSecret: SecretTest
  /** Masks secrets in a text. */
  readonly redact: (text: string) => string
}

/** Builds a configuration from layers. @throws ConfigError naming source, key, line and field */
async function buildConfig(given: readonly Layer[], settings: ResolvedConfigOptions, signal: AbortSignal): Promise<BuiltConfig> {
  const { schema, environment, masking, isRequired } = settings
  const layers = mergeLayers(given)
  const isSecretOrigin: SecretTest = (keys) =>
    masking.isSecretPath(keys) || layers.at(keys).some((layer) => layer.isSecret || layer.isDecrypted(keys))
  checkEncrypted(layers, isRequired)
  const { tree, texts, secrets } = resolve()
  const isSecret: SecretTest = (keys) => isSecretOrigin(keys) || secrets.has(keys.join('.'))
  const redact = createRedaction(tree, isSecret, masking)
  const result = await validate(schema, tree, { isText, signal })
  if ('value' in result) return { value: result.value, layers, isSecret, redact }
  throw configError(
    'SD_INVALID',
    result.issues.slice(0, maxFailures).map(({ keys, message }) => explainIssue(keys, message)),
  )

  function resolve(): ReturnType<typeof resolvePlaceholders> {
    try {
      const isVerbatim = (keys: readonly string[]): boolean => layers.at(keys)[0]?.isDecrypted(keys) === true
      return resolvePlaceholders(layers.tree, { environment, isVerbatim, isSecret: isSecretOrigin, isGuarded: isRequired })
    } catch (error) {
      if (!(error instanceof PlaceholderError)) throw error
      const { keys, message } = error
      throw configError('SD_INVALID', [{ ...layers.placeOf(keys), field: keys.join('.'), message }])
    }
  }
  function isText(keys: readonly string[]): boolean {
    if (texts.has(keys.join('.'))) return true
    const [layer] = layers.at(keys)
    return layer?.isUntyped === true || layer?.isDecrypted(keys) === true
  }
  function explainIssue(keys: readonly string[], message: string): ConfigFailure {
    const safe = isSecret(keys) ? 'was rejected by the schema; the value is secret' : redact(message)
    return { ...layers.placeOf(keys), ...(keys.length > 0 && { field: keys.join('.') }), message: safe }
  }
}

/** Reads and builds a configuration within the time limit of an update. @throws ConfigError */
export async function buildInTime(
  readLayers: (signal: AbortSignal) => Promise<readonly Layer[]>,
  settings: ResolvedConfigOptions,
  signal: AbortSignal,
): Promise<BuiltConfig> {
  const { name, updateTimeoutMs: timeoutMs } = settings
  try {
    return await withTimeout({ timeoutMs, what: `update of ${name}`, signal }, async (updateSignal) =>
      buildConfig(await readLayers(updateSignal), settings, updateSignal),
    )
  } catch (error) {
    throw toSdError(error, 'SD_INVALID', `update of ${name}`)
  }
}

/** Rejects plain values that must be encrypted. @throws ConfigError with the place */
function checkEncrypted(layers: MergedLayers, isRequired: ResolvedConfigOptions['isRequired']): void {
  function walk(value: unknown, keys: readonly string[]): void {
    if (typeof value === 'object' && value !== null) {
      for (const [key, item] of Object.entries(value)) walk(item, [...keys, key])
    } else if (isRequired(keys)) {
      const [layer] = layers.at(keys)
      // Values that the program sets have no key.
      if (layer?.key === undefined || layer.isEncrypted || layer.isDecrypted(keys)) return
      const failure = { ...layers.placeOf(keys), field: keys.join('.'), message: 'must be encrypted' }
      throw configError('SD_DENIED', [failure])
    }
  }
  walk(layers.tree, [])
}
