import type { CanaryRule, CanaryVersion } from '@sd/config'
import { type ConfigSource, invalidError, SdError, type WritableConfigSource } from '@sd/core'
import type { CommandContext, OptionSpec } from '../command.ts'
import { type Comparison, compareTexts } from './compare-texts.ts'
import { loadEntry } from './entries.ts'

/** Options that choose the instances of a canary release. */
export const ruleOptions: readonly OptionSpec[] = [
  { flags: '--share <percent>', description: 'share of all instances, such as 10' },
  { flags: '--tag <tag>', description: 'instances with this tag', isRepeatable: true },
  { flags: '--address <address>', description: 'instances with this address', isRepeatable: true },
]

/** Reads the rule of the options. `createCanaryRelease` refuses one that chooses nothing. */
export function readRule({ option, list }: CommandContext): CanaryRule {
  const share = option('share')
  const [tags, addresses] = [list('tag'), list('address')]
  return {
    ...(share !== undefined && { share: readShare(share) }),
    ...(tags.length > 0 && { tags }),
    ...(addresses.length > 0 && { addresses }),
  }
}

/** A rule in words. */
export function describeRule({ share, tags = [], addresses = [] }: CanaryRule): string {
  const parts = [
    ...(share === undefined ? [] : [`${share} % of the instances`]),
    ...(tags.length > 0 ? [`tagged ${tags.join(', ')}`] : []),
    ...(addresses.length > 0 ? [`at ${addresses.join(', ')}`] : []),
  ]
  return parts.join(', or ')
}

/** A canary release in progress, and how it differs from its entry. */
export interface ShownCanary {
  readonly canary: CanaryVersion
  readonly comparison: Comparison
}

/** Reads the canary release of the entry that the arguments name. @throws SdError `SD_NOT_FOUND` if there is none */
export async function readCanary(context: CommandContext): Promise<ShownCanary> {
  const key = context.argument('key')
  const source = await context.openConfig()
  const { createCanaryRelease } = await import('@sd/config')
  const [entry, canary] = await Promise.all([
    loadEntry(source, key, context.signal),
    createCanaryRelease({ source: readOnly(source), key }).current({ signal: context.signal }),
  ])
  if (!canary) throw new SdError('SD_NOT_FOUND', `${await context.describePlace('config')} has no canary release of ${key}`)
  const isSecret = entry?.isSecret ?? false
  return { canary, comparison: await compareTexts({ key, isSecret }, entry?.content ?? null, canary.content) }
}

/** A release wants a source that can write, also to be read. */
function readOnly(source: Pick<ConfigSource, 'load'>): WritableConfigSource {
  const refuse = (): Promise<never> => Promise.reject(new SdError('SD_DENIED', 'This command only reads'))
  return { load: source.load.bind(source), put: refuse, delete: refuse } as unknown as WritableConfigSource
}

function readShare(text: string): number {
  if (/^\d{1,3}(?:\.\d{1,3})?$/.test(text) && Number(text) <= 100) return Number(text)
  throw invalidError('--share', text, 'a number from 0 to 100')
}
