import assert from 'node:assert/strict'
import { access, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { type ConfigOptions, createConfig } from '@sd/config'
import type { ConfigSource } from '@sd/core'
import { type CaseBody, eventually } from '@sd/testing'
import { type ConfigFaultContext, contentsOf } from './config-fault-context.ts'
import { isLongRun } from './fault-scene.ts'
import { outageMinutes } from './long-faults.ts'

/** What is wanted of the configuration: a Standard Schema by hand. */
const schema: NonNullable<ConfigOptions['schema']> = {
  '~standard': {
    version: 1,
    vendor: 'sd',
    validate(value) {
      const { size } = value as { readonly size?: unknown }
      return Number.isInteger(size) ? { value } : { issues: [{ message: 'is no whole number', path: ['size'] }] }
    },
  },
}

/** What a program makes of a source that is hurt: the promises of `@sd/config`, kept over the real server. */
export const consumerCases: Readonly<Record<string, CaseBody<ConfigFaultContext>>> = {
  'an invalid push': async (context) => {
    const { watcher, limitMs, record } = context
    const push = await startPushing(context)
    await using config = await createConfig({ sources: [documentsOf(context, watcher)], schema })
    for (const wrong of ['size: [', 'size: many', '- 1', '']) {
      // Not every server takes an empty text; what it refuses was not pushed.
      if (
        !(await push(wrong).then(
          () => true,
          () => false,
        ))
      )
        continue
      await eventually(() => assert.equal(config.status().refused.length, 1, `${JSON.stringify(wrong)} is refused`), limitMs)
      assert.deepEqual(config.current, { size: 1 }, 'the last good one counts')
      await push('size: 1')
      await eventually(() => assert.deepEqual(config.status().refused, []), limitMs)
    }
    await push('size: 2')
    await record('an invalid push', () => eventually(() => assert.deepEqual(config.current, { size: 2 }), limitMs))
  },

  'a configuration whose source is away': async (context) => {
    const { link, open, watcher, limitMs, record } = context
    const push = await startPushing(context)
    const folder = await mkdtemp(join(tmpdir(), 'sd-config-'))
    const snapshot = { path: join(folder, 'snapshot.json'), waitMs: 200 }
    try {
      await using config = await createConfig({ sources: [documentsOf(context, watcher)], schema, snapshot })
      await eventually(() => access(snapshot.path), limitMs)
      await link.cut()
      await eventually(() => assert.equal(config.status().stale.length, 1), limitMs)
      await push('size: 2')
      await using cold = await createConfig({ sources: [documentsOf(context, open(link.port))], schema, snapshot })
      const endAt = performance.now() + (isLongRun ? outageMinutes * 60_000 : 1_000)
      while (performance.now() < endAt) {
        assert.deepEqual([config.current, cold.current], [{ size: 1 }, { size: 1 }], 'reads go on')
        assert.equal(cold.status().stale[0]?.isSnapshot, true, 'what is from the disk is marked so')
        await delay(200)
      }
      await link.restore()
      await record('a configuration whose source is away', () =>
        eventually(() => {
          assert.deepEqual([config.current, cold.current], [{ size: 2 }, { size: 2 }])
          assert.deepEqual([config.status().stale, cold.status().stale], [[], []])
        }, limitMs),
      )
    } finally {
      await rm(folder, { recursive: true })
    }
  },
}

/** The one of the two entries that is a document. */
function documentIndex({ harness }: ConfigFaultContext): 0 | 1 {
  return harness.keys[0].endsWith('.yaml') ? 0 : 1
}

function documentsOf(context: ConfigFaultContext, source: ConfigSource): { source: ConfigSource; keys: readonly string[] } {
  return { source, keys: [context.harness.keys[documentIndex(context)]] }
}

/** Pushes `size: 1`, waits until it is seen, and gives what pushes more. */
async function startPushing(context: ConfigFaultContext): Promise<(content: string) => Promise<void>> {
  const index = documentIndex(context)
  const push = (content: string): Promise<void> => context.write(index, content)
  await push('size: 1')
  await context.probe.until((document) => assert.equal(contentsOf(document, context.harness.keys)[index], 'size: 1'))
  return push
}
