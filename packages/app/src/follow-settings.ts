import type { Config } from '@sd/config'
import { checkKnownKeys, checkObject, invalidError, SdError, toSdError } from '@sd/core'
import type { Calling } from './calling.ts'
import type { RegistryLink } from './registry-link.ts'

/** What follows which settings. */
export interface FollowOptions {
  readonly config: Config
  /** Path of the settings. */
  readonly at: string
  readonly calling: Calling
  readonly registry: RegistryLink
  /** Told of settings that are refused: the ones before stay in effect. */
  readonly onError: (error: SdError) => void
}

/**
 * Puts the application's own settings into effect now, and whenever they change.
 *
 * @returns a function that ends it
 * @throws SdError `SD_INVALID` if those of now are refused
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
      withPath(`${at}.client`, () => calling.follow(nextClient))
      client = nextClient
    }
    // The first one was made with it.
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

/** Puts the path of the settings before the field of an error. */
function withPath(path: string, run: () => void): void {
  try {
    run()
  } catch (error) {
    if (!(error instanceof SdError) || error.field === undefined) throw error
    const field = `${path}.${error.field}`
    throw new SdError(error.code, error.message.replace(error.field, field), { field, cause: error })
  }
}
