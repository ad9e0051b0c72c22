import { eventually } from '@sd/testing'
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { onTestFinished } from 'vitest'
import {
  type ConfigOptions,
  type ConfigReport,
  createConfig,
  createMemoryConfigSource,
  type MemoryConfigSource,
} from '../index.ts'

/** A configuration that is closed after the test and applies changes at once. */
export async function open<Schema extends StandardSchemaV1 = StandardSchemaV1>(
  options: ConfigOptions<Schema>,
): ReturnType<typeof createConfig<Schema>> {
  const config = await createConfig<Schema>({ coalesceMs: 1, environment: {}, ...options })
  onTestFinished(() => config.close())
  return config
}

/** A source in memory. */
export function memory(name: string, entries: Readonly<Record<string, string>> = {}): MemoryConfigSource {
  return createMemoryConfigSource({ name, entries })
}

/** Collects reports. */
export function follow(): { readonly reports: ConfigReport[]; readonly onReport: (report: ConfigReport) => void } {
  const reports: ConfigReport[] = []
  return { reports, onReport: (report) => void reports.push(report) }
}

/** Waits until an assertion holds. */
export function soon(assertion: () => unknown): Promise<void> {
  return eventually(async () => void (await assertion()), 10_000)
}
