import assert from 'node:assert/strict'
import type { ConfigSource } from '@sd/core'
import { assertTexts, type ConfigContext } from './config-source-harness.ts'
import type { CaseBody } from './contract.ts'
import { eventually, probeWatch } from './waiting.ts'

const missing = { code: 'SD_NOT_FOUND', retryable: true }

/** Cases for sources with the option `required`, which distinguishes missing from empty entries. */
export const configRequiredCases: Readonly<Record<string, CaseBody<ConfigContext>>> = {
  'missing required entries are an error that a watch waits out, and the last value is kept when they are removed': withRequired(
    async (source, { backend, keys: [first, second], eventuallyMs }) => {
      await assert.rejects(source.load(), missing)
      const probe = probeWatch((options) => source.watch(options), eventuallyMs)
      await probe.untilStale(true)
      assert.ok(!('value' in (probe.seen.at(-1) ?? {})), 'no value that looks like an empty document')
      await backend.write(first, '1')
      await backend.write(second, '2')
      const texts = [
        [first, '1'],
        [second, '2'],
      ] as const
      await probe.until((document) => assertTexts(document, texts))
      await probe.untilStale(false)
      await backend.remove(first)
      await backend.remove(second)
      await eventually(() => assert.rejects(source.load(), missing), eventuallyMs)
      await probe.untilStale(true)
      const last = probe.seen.at(-1)
      assert.ok(last && 'value' in last && last.value && last.value.entries.length > 0, 'the last value is kept, stale')
      await probe.stop()
    },
  ),

  'required entries may be empty': withRequired(async (source, { backend, keys: [first, second], cannotHold, eventuallyMs }) => {
    const least = cannotHold.includes('empty') ? '0' : ''
    await backend.write(first, least)
    await backend.write(second, least)
    await eventually(async () => {
      const document = await source
        .load()
        .catch((error: unknown) => assert.fail(`an empty text must not be treated as missing: ${error}`))
      assertTexts(document, [
        [first, least],
        [second, least],
      ])
    }, eventuallyMs)
  }),
}

function withRequired(body: (source: ConfigSource, context: ConfigContext) => Promise<void>): CaseBody<ConfigContext> {
  return async (context) => {
    const source = await context.backend.openRequired?.()
    assert.ok(source)
    try {
      await body(source, context)
    } finally {
      await source.close()
    }
  }
}
