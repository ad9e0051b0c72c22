import type { Config } from '@sd/config'
import { checkKnownKeys, checkObject, invalidError, prefixField, type SdError, toSdError } from '@sd/core'
import type { Calling } from './calling.ts'
import type { RegistryLink } from './registry-link.ts'

/** The settings, and the parts that follow them. */
export interface FollowOptions {
  readonly config: Config
  /** Path of the settings. */
  readonly at: string
  readonly calling: Calling
  readonly registry: RegistryLink
  /** Receives the errors of rejected settings. The previous ones stay in effect. */
  readonly onError: (error: SdError) => void
}

/**
 * Puts the application's own settings into effect now, and whenever they change.
 *
 * @returns a function that ends it
 * @throws SdError `SD_INVALID` if the current ones are rejected
 */
export function followSettings({ config, at, calling, registry, onError }: FollowOptions): () => void {
  let client: unknown
  let url: unknown

  function apply(value: unknown, isStart: boolean): void {
    const settings = value === undefined ? {} : checkObject(at, value)
    checkKnownKeys(at, settings, ['registry', 'client'])
    const { registry: nextUrl, client: nextClient } = settings
    if (nextUrl !== undefined && typeof nextUrl !== 'string') throw invalidError(`${at}.registry`, nextUrl, 'a URL')
    if (nextClient !== client) {
      try {
        calling.follow(nextClient)
      } catch (error) {
        throw prefixField(`${at}.client`, error)
      }
      client = nextClient
    }
    // At the start the registry has been created from this URL.
    if (!isStart && nextUrl !== undefined && nextUrl !== url) {
      registry.change(nextUrl).catch((error: unknown) => onError(toSdError(error, 'SD_UNAVAILABLE', `${at}.registry`)))
    }
    url = nextUrl
  }

  apply(config.get(at), true)
  return config.onChange(at, ({ value }: { readonly value?: unknown }) => {
    try {
      apply(value, false)
    } catch (error) {
      onError(toSdError(error, 'SD_INVALID', at))
    }
  })
}
