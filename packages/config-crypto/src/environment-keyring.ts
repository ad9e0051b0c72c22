import { checkKnownKeys, checkName, checkObject, SdError } from '@sd/core'
import { parseKeyLines } from './key-lines.ts'
import { createLocalKeyring, type Keyring } from './keyring.ts'

/** Options of {@link createEnvironmentKeyring}. */
export interface EnvironmentKeyringOptions {
  /** Name of the variable: `key-id:base64url`, several separated by commas; the first one is the primary. @default 'SD_CONFIG_KEYS' */
  readonly variable?: string
  /** Object with the variable. @default process.env */
  readonly env?: Readonly<Record<string, string | undefined>>
}

/**
 * Creates a keyring from an environment variable, which is read once, in this call.
 *
 * @throws SdError `SD_NOT_FOUND` if the variable isn't set, `SD_MALFORMED` if it has no keys; messages never contain keys
 */
export function createEnvironmentKeyring(options: EnvironmentKeyringOptions = {}): Keyring {
  checkKnownKeys('', options, ['variable', 'env'])
  const variable = checkName('variable', options.variable ?? 'SD_CONFIG_KEYS')
  const text = checkObject('env', options.env ?? process.env)[variable]
  if (typeof text !== 'string')
    throw new SdError(
      'SD_NOT_FOUND',
      `The environment variable ${variable} is not set: set it to key-id:base64url, as generateKey returns it`,
    )
  const keys = parseKeyLines(`The environment variable ${variable}`, text)
  return createLocalKeyring(() => Promise.resolve(keys))
}
