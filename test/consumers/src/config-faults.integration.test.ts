import { access, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { type ConfigOptions, createConfig } from '@sd/config'
import type { ConfigSource, WritableConfigSource } from '@sd/core'
import { createFaultScene, type FaultScene, isLongRun } from '@sd/test-faults'
import { eventually } from '@sd/testing'
import { expect } from 'vitest'
import { forEachBackend, type Stage } from './for-each-backend.ts'
import { outageMinutes } from './outages.ts'

// The guarantees of `@sd/config`, with sources that receive invalid documents or are unreachable.

/** Longest time until a change is visible, in milliseconds. */
const limitMs = 10_000

/** The expected configuration: a hand-written Standard Schema. */
const schema: NonNullable<ConfigOptions['schema']> = {
  '~standard': {
    version: 1,
    vendor: 'sd',
    validate(value) {
      const { size } = value as { readonly size?: unknown }
      return Number.isInteger(size) ? { value } : { issues: [{ message: 'is not an integer', path: ['size'] }] }
    },
  },
}

/** A document with `size: 1`, and a function that writes it without using the broken connection. */
interface PushContext extends FaultScene<WritableConfigSource> {
  readonly documentsOf: (source: ConfigSource) => { source: ConfigSource; keys: readonly string[] }
  readonly push: (content: string) => Promise<unknown>
}

async function withDocument({ backend, running, target }: Stage, work: (context: PushContext) => Promise<void>): Promise<void> {
  const scene = await createFaultScene({ name: `${backend.name} config`, target: () => target, open: running.openConfig })
  try {
    await running.prepare?.(scene.scope)
    const writer = scene.open(target.port)
    const push = (content: string): Promise<unknown> => writer.put(backend.key, content)
    await push('size: 1')
    await work({ ...scene, push, documentsOf: (source) => ({ source, keys: [backend.key] }) })
  } finally {
    await scene.dispose()
  }
}

async function pushInvalid({ link, open, documentsOf, push, record }: PushContext): Promise<void> {
  await using config = await createConfig({ sources: [documentsOf(open(link.port))], schema })
  for (const invalid of ['size: [', 'size: many', '- 1', '']) {
    // Not every server accepts an empty text.
    const isPushed = await push(invalid).then(
      () => true,
      () => false,
    )
    if (!isPushed) continue
    await eventually(() => expect(config.status().refused, `${JSON.stringify(invalid)} is rejected`).toHaveLength(1), limitMs)
    expect(config.current, 'the last valid configuration stays in effect').toEqual({ size: 1 })
    await push('size: 1')
    await eventually(() => expect(config.status().refused).toEqual([]), limitMs)
  }
  await push('size: 2')
  await record('an invalid push', () => eventually(() => expect(config.current).toEqual({ size: 2 }), limitMs))
}

async function readThroughOutage({ link, open, documentsOf, push, record }: PushContext): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'sd-config-'))
  const snapshot = { path: join(folder, 'snapshot.json'), waitMs: 200 }
  try {
    await using config = await createConfig({ sources: [documentsOf(open(link.port))], schema, snapshot })
    await eventually(() => access(snapshot.path), limitMs)
    await link.cut()
    await eventually(() => expect(config.status().stale).toHaveLength(1), limitMs)
    await push('size: 2')
    await using cold = await createConfig({ sources: [documentsOf(open(link.port))], schema, snapshot })
    const endAt = performance.now() + (isLongRun ? outageMinutes * 60_000 : 1_000)
    while (performance.now() < endAt) {
      expect([config.current, cold.current], 'both keep their values').toEqual([{ size: 1 }, { size: 1 }])
      expect(cold.status().stale[0]?.isSnapshot, 'a value from the disk is marked').toBe(true)
      await delay(200)
    }
    await link.restore()
    await record('a configuration whose source is unreachable', () =>
      eventually(() => {
        expect([config.current, cold.current]).toEqual([{ size: 2 }, { size: 2 }])
        expect([config.status().stale, cold.status().stale]).toEqual([[], []])
      }, limitMs),
    )
  } finally {
    await rm(folder, { recursive: true })
  }
}

await forEachBackend(() => ({
  'an invalid push is rejected, and the last valid configuration stays in effect': (stage) => withDocument(stage, pushInvalid),
  'a configuration can be read while its source is unreachable, even after a start': (stage) =>
    withDocument(stage, readThroughOutage),
}))
