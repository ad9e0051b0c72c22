import { expect, test } from 'vitest'
import { describeOldRuntime } from './runtime.ts'

test.each([
  [{ node: '20.20.2' }, true],
  [{ node: '22.18.9' }, true],
  [{ node: '22.19.0' }, false],
  [{ node: '24.0.0' }, false],
  [{ node: '26.10.0-nightly' }, false],
  [{ node: '20.1.0', bun: '1.4.5' }, false],
  [{ node: '20.1.0', deno: '2.9.6' }, false],
  [{}, false],
  [undefined, false],
] as readonly (readonly [Record<string, string> | undefined, boolean])[])('%j is too old: %s', (versions, isTooOld) => {
  const reason = describeOldRuntime(versions)
  expect(reason !== undefined).toBe(isTooOld)
  if (isTooOld) expect(reason).toBe(`Node ${versions?.['node']} is too old for the @sd packages: they need Node 22.19 or newer`)
})
