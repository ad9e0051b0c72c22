import { type ConfigEntry, type ConfigFormat, checkKnownKeys, checkName, checkObject, invalidError } from '@sd/core'

/**
 * Overlays by name: an entry `application-prod.yaml` counts only while the profile `prod` is active, and is then laid over all entries of its
 * source that belong to no profile. Of several active profiles the later one wins.
 */
export interface ProfileOptions {
  /** Profiles that count, in order. */
  readonly active: readonly string[]
  /** All names of profiles, so that `application-dev.yaml` is known as an overlay where `dev` isn't active. @default ['dev', 'test', 'prod'] */
  readonly known?: readonly string[]
}

/** Picks the entries that count, in the order in which they are merged. @param format how they are read, if not by their own format */
export type EntrySelection = (entries: readonly ConfigEntry[], format: ConfigFormat | undefined) => readonly ConfigEntry[]

/** Ends the keys of the neighbours that canary releases are kept in: no configuration by themselves. */
export const canarySuffix = '.canary'

/** Makes the selection by profiles. @throws SdError `SD_INVALID` that names the option */
export function createEntrySelection(options: ProfileOptions = { active: [] }): EntrySelection {
  checkKnownKeys('profiles', checkObject('profiles', options), ['active', 'known'])
  const active = checkNames('profiles.active', options.active)
  const known = [...checkNames('profiles.known', options.known ?? ['dev', 'test', 'prod']), ...active]
  // Of `prod` and `eu-prod` the longer one is meant.
  known.sort((a, b) => b.length - a.length)

  function profileOf(key: string): string | undefined {
    const name = key.slice(key.lastIndexOf('/') + 1).replace(/\.[^.]*$/, '')
    return known.find((profile) => name.endsWith(`-${profile}`))
  }

  return (entries, format) => {
    const plain = entries.filter(({ key }) => !key.endsWith(canarySuffix))
    const profiles = new Map(
      plain.map((entry) => [entry, (format ?? entry.format) === 'text' ? undefined : profileOf(entry.key)]),
    )
    return [undefined, ...active].flatMap((profile) => plain.filter((entry) => profiles.get(entry) === profile))
  }
}

function checkNames(field: string, names: readonly string[]): readonly string[] {
  if (!Array.isArray(names)) throw invalidError(field, names, 'an array of names')
  return names.map((name, index) => checkName(`${field}[${index}]`, name, 64))
}
