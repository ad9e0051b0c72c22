import { resolve } from 'node:path'
import type { Keyring } from '@sd/config-crypto'
import { invalidError } from '@sd/core'
import type { CommandContext, OptionSpec } from '../command.ts'

/** Option of commands that encrypt. */
export const keysOption: OptionSpec = {
  flags: '--keys <file>',
  description: 'file with a key in each line, the first one encrypts; SD_CONFIG_KEYS otherwise',
}

/** Opens the keys of `--keys` or `SD_CONFIG_KEYS`. @throws SdError `SD_INVALID` that never contains a key */
export async function openKeys({ option, env, cwd }: CommandContext): Promise<Keyring> {
  const { createEnvironmentKeyring, createFileKeyring } = await import('@sd/config-crypto')
  const file = option('keys')
  if (file !== undefined) return createFileKeyring({ path: resolve(cwd, file) })
  if (!env['SD_CONFIG_KEYS']) throw invalidError('--keys', undefined, 'a file with keys, or SD_CONFIG_KEYS')
  return createEnvironmentKeyring({ env: { SD_CONFIG_KEYS: env['SD_CONFIG_KEYS'] } })
}

const envelope = /ENC\[([^:\]\s]{1,64}):/g

/** Ids of the keys with which values of a text are encrypted, with the number of values. */
export function countKeys(text: string): Readonly<Record<string, number>> {
  const counts = new Map<string, number>()
  for (const [, id = ''] of text.matchAll(envelope)) counts.set(id, (counts.get(id) ?? 0) + 1)
  return Object.fromEntries(counts)
}

/** The same in words. */
export function describeKeys(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .map(([id, count]) => `${count} with key ${id}`)
    .join(', ')
}
