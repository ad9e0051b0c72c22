import { protocolContract } from '@sd/testing'
import { expect, test } from 'vitest'
import { createMessageProtocol } from './message-protocol.ts'
import { encodeMessage } from './messages.ts'
import { run } from './run.ts'
import { startGateway } from './start-gateway.ts'

for (const { name, run: check } of protocolContract({ setup: startGateway, encode: encodeMessage, eventuallyMs: 20_000 })) {
  test.concurrent(name, check)
}

test.concurrent('the example passes its own checks', async () => {
  let shown = ''
  const isPassed = await run((text) => (shown += text))
  expect([isPassed, shown]).toEqual([true, expect.stringContaining('4 of 4 checks passed')])
})

test.each([
  [{ maxMessageBytes: 0 }, 'options.maxMessageBytes'],
  [{ maxMessageBytes: 2 ** 24 }, 'options.maxMessageBytes'],
  [{ maxBytes: 1 }, 'options.maxBytes'],
])('options with a mistake are refused: %o', (options, field) => {
  const { checkOptions } = createMessageProtocol()
  expect(() => checkOptions?.(options, 'options')).toThrow(expect.objectContaining({ code: 'SD_INVALID', field }))
})
