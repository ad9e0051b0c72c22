import { SdError, type WritableConfigSource } from '@sd/core'
import type { DashboardConfigs, DashboardHistory } from '@sd/dashboard'
import type { CommandContext, WriteContext } from '../command.ts'
import { readOnlyError } from './read-only-error.ts'

/** The configuration of the command line for the page, if one is chosen. Histories are those of `--history`. */
export async function openConfigs(
  context: CommandContext,
  writing: WriteContext | undefined,
): Promise<readonly DashboardConfigs[]> {
  const keys = context.list('history')
  const source = writing ? await openOptional(() => writing.openWritableConfig()) : await openOptional(() => context.openConfig())
  if (!source) {
    if (keys.length > 0)
      throw new SdError('SD_INVALID', '--history needs a configuration: --config, SD_CONFIG or a context with config')
    return []
  }
  const histories = await Promise.all(keys.map(async (key) => [key, await openHistory(key, context, writing)] as const))
  const canaries = writing ? await openCanaries(keys, source as WritableConfigSource) : {}
  return [{ source, histories: Object.fromEntries(histories), canaries }]
}

async function openHistory(key: string, context: CommandContext, writing: WriteContext | undefined): Promise<DashboardHistory> {
  if (writing) return writing.openWritableHistory(key)
  const { list, diff, diffText, verify } = await context.openHistory(key)
  const { signal } = context
  return {
    list: (options) => list({ signal: options?.signal ?? signal }),
    diff,
    diffText,
    verify,
    rollback: () => Promise.reject(readOnlyError()),
  }
}

async function openCanaries(
  keys: readonly string[],
  source: WritableConfigSource,
): Promise<NonNullable<DashboardConfigs['canaries']>> {
  const { createCanaryRelease } = await import('@sd/config')
  return Object.fromEntries(keys.map((key) => [key, createCanaryRelease({ source, key })]))
}

/** `undefined` if no configuration is chosen. */
async function openOptional<T>(open: () => Promise<T>): Promise<T | undefined> {
  try {
    return await open()
  } catch (error) {
    if (error instanceof SdError && error.code === 'SD_INVALID') return undefined
    throw error
  }
}
