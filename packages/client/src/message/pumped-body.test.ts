import { SdError } from '@sd/core'
import { describe, expect, test, vi } from 'vitest'
import { pumpBody } from './pumped-body.ts'
import type { ResponseBody } from './response-body.ts'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

function pump(parts: readonly (string | Error)[], isOver: () => boolean = () => false) {
  const taken = vi.fn()
  async function* chunks(): AsyncGenerator<Uint8Array> {
    for (const part of parts) {
      taken(String(part))
      if (part instanceof Error) throw part
      yield Buffer.from(part)
    }
  }
  return { taken, body: pumpBody(chunks(), { service: 'orders', isOver }) }
}

async function textOf(body: ResponseBody): Promise<string> {
  let text = ''
  for await (const chunk of body) text += Buffer.from(chunk).toString()
  return text
}

describe('a body that an interceptor made', () => {
  test('arrives whole, also if it is empty', async () => {
    expect(await textOf(pump(['a', 'b', 'c']).body)).toBe('abc')
    expect(await textOf(pump([]).body)).toBe('')
  })

  test('is read at the pace of its consumer', async () => {
    const parts = Array.from({ length: 50 }, () => 'x'.repeat(65_536))
    const { taken, body } = pump(parts)
    for (let time = 0; time < 100; time++) await turn()
    const before = taken.mock.calls.length
    expect(before).toBeLessThan(40)
    expect((await textOf(body)).length).toBe(50 * 65_536)
    expect(taken).toHaveBeenCalledTimes(50)
  })

  test('fails with its own error, or one that names the service', async () => {
    const own = new SdError('SD_DENIED', 'no')
    await expect(textOf(pump(['a', own]).body)).rejects.toBe(own)
    await expect(textOf(pump([new Error('no disk')]).body)).rejects.toMatchObject({
      code: 'SD_UNAVAILABLE',
      message: expect.stringMatching(/Calling orders.*no disk/),
    })
  })

  test('is left once it is not needed', async () => {
    let isOver = false
    const { taken } = pump(['a', 'b', 'c'], () => {
      const before = isOver
      isOver = true
      return before
    })
    for (let time = 0; time < 10; time++) await turn()
    expect(taken.mock.calls.flat()).toEqual(['a', 'b'])
  })
})
