import assert from 'node:assert/strict'
import { assertTexts, type ConfigContext } from './config-source-harness.ts'
import type { CaseBody } from './contract.ts'
import { countResources } from './resources.ts'
import { eventually, probeWatch, within } from './waiting.ts'

/** Cases about closing. */
export const configClosingCases: Readonly<Record<string, CaseBody<ConfigContext>>> = {
  'closing ends watches, does not affect other sources and is idempotent': async ({
    open,
    keys: [key],
    backend,
    eventuallyMs,
  }) => {
    const [one, other] = [await open(), await open()]
    const probe = probeWatch((options) => one.watch(options), eventuallyMs)
    const others = probeWatch((options) => other.watch(options), eventuallyMs)
    await probe.until((document) => assertTexts(document, []))
    await within(Promise.all([one.close(), one.close(), one[Symbol.asyncDispose]()]), eventuallyMs, 'close()')
    await within(probe.ended, eventuallyMs, 'the watch of a closed source')
    assert.equal(one.state, 'closed')
    await backend.write(key, '1')
    await others.until((document) => assertTexts(document, [[key, '1']]))
    await others.stop()
  },

  'every operation on a closed source rejects with SD_CLOSED': async ({ open, eventuallyMs }) => {
    const source = await open()
    await source.close()
    const closed = { name: 'SdError', code: 'SD_CLOSED' }
    await assert.rejects(source.load(), closed)
    await assert.rejects(probeWatch((options) => source.watch(options), eventuallyMs).ended, closed)
  },

  'nothing is left running after close': async ({ open, eventuallyMs }) => {
    const before = countResources()
    const source = await open()
    const probe = probeWatch((options) => source.watch(options), eventuallyMs)
    await probe.until((document) => assertTexts(document, []))
    await source.load()
    await source.close()
    await eventually(
      () => assert.ok(countResources() <= before, `left: ${process.getActiveResourcesInfo().join(', ')}`),
      eventuallyMs,
    )
  },
}
