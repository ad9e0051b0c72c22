import { type ConfigEntry, type ConfigSource, SdError } from '@sd/core'
import type { CommandContext } from '../command.ts'

/** Suffix of the key of a canary version; see `createCanaryRelease` of `@sd/config`. */
export const CANARY_SUFFIX = '.canary'

/** The entry of a key, or `undefined`. */
export async function loadEntry(
  source: Pick<ConfigSource, 'load'>,
  key: string,
  signal: AbortSignal,
): Promise<ConfigEntry | undefined> {
  const { entries } = await source.load({ signal })
  return entries.find((entry) => entry.key === key)
}

/** The entry that the arguments name. @throws SdError `SD_NOT_FOUND` that names some of those that exist */
export async function findEntry(context: CommandContext): Promise<ConfigEntry> {
  const { entries } = await (await context.openConfig()).load({ signal: context.signal })
  const key = context.argument('key')
  const found = entries.find((entry) => entry.key === key)
  if (found) return found
  const names = entries.slice(0, 5).map((entry) => entry.key)
  const known = names.length > 0 ? `; there is ${names.join(', ')}${entries.length > names.length ? ', …' : ''}` : ''
  throw new SdError('SD_NOT_FOUND', `${await context.describePlace('config')} has no entry ${key}${known}`)
}
