import { type ConfigEntry, type ConfigFormat, checkKnownKeys, checkName, checkObject, invalidError } from '@sd/core'

/**
 * Overlays by name: an entry `application-prod.yaml` applies only while the profile `prod` is active, and then overrides all
 * entries of its source without a profile. Of several active profiles the later one wins.
 */
export interface ProfileOptions {
  /** Active profiles, in ascending precedence. */
  readonly active: readonly string[]
  /** Names of all profiles, so that `application-dev.yaml` is recognized as an overlay while `dev` is inactive. @default ['dev', 'test', 'prod'] */
  readonly known?: readonly string[]
}

/** Selects the entries that apply, in the order in which they are merged. @param format overrides the entries' own format */
export type EntrySelection = (entries: readonly ConfigEntry[], format: ConfigFormat | undefined) => readonly ConfigEntry[]

/** Suffix of the keys that store canary versions. Such an entry is not configuration itself. */
export const canarySuffix = '.canary'

/** Creates the selection by profiles. @throws SdError `SD_INVALID` that names the option */
export function createEntrySelection(options: ProfileOptions = { active: [] }): EntrySelection {
  checkKnownKeys('profiles', checkObject('profiles', options), ['active', 'known'])
  const active = checkNames('profiles.active', options.active)
  const known = [...checkNames('profiles.known', options.known ?? ['dev', 'test', 'prod']), ...active]
  // If both `prod` and `eu-prod` match, the longer name applies.
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
