import { expect, test } from 'vitest'
import { createFrameReader, replaceUnknownCode } from './frames.ts'

function frame(text: string): Buffer {
  const body = Buffer.from(text)
  const length = Buffer.alloc(4)
  length.writeInt32BE(body.length)
  return Buffer.concat([length, body])
}

function readAll(chunks: readonly Buffer[]): readonly string[] {
  const texts: string[] = []
  const read = createFrameReader((one) => texts.push(one.subarray(4).toString()))
  for (const chunk of chunks) read(chunk)
  return texts
}

test('frames are found for any split of the stream', () => {
  const texts = ['a', '', 'x'.repeat(1_000), 'last']
  const stream = Buffer.concat(texts.map(frame))
  for (const size of [1, 2, 3, 5, 7, 100, stream.length]) {
    const chunks = Array.from({ length: Math.ceil(stream.length / size) }, (_, index) =>
      stream.subarray(index * size, (index + 1) * size),
    )
    expect(readAll(chunks)).toEqual(texts)
  }
})

test('the start of a frame waits for its end', () => {
  const one = frame('hello')
  expect(readAll([one.subarray(0, 6)])).toEqual([])
  expect(readAll([Buffer.concat([one, one.subarray(0, 2)]), one.subarray(2)])).toEqual(['hello', 'hello'])
})

test.each([-1, 0x7fffffff])('a length of %d is refused', (length) => {
  const head = Buffer.alloc(4)
  head.writeInt32BE(length)
  expect(() => readAll([head])).toThrow(RangeError)
})

test('a large frame in many chunks is read once', () => {
  const text = 'x'.repeat(1_000_000)
  const stream = frame(text)
  const chunks = Array.from({ length: 1_000 }, (_, index) => stream.subarray(index * 1_001, (index + 1) * 1_001))
  expect(readAll(chunks)).toEqual([text])
})

test('an unknown code becomes a known one', () => {
  const responseFrame = Buffer.alloc(20)
  for (const [code, expected] of [
    [-125, -1],
    [-101, -101],
    [0, 0],
  ] as const) {
    responseFrame.writeInt32BE(code, 16)
    replaceUnknownCode(responseFrame)
    expect(responseFrame.readInt32BE(16)).toBe(expected)
  }
  replaceUnknownCode(Buffer.alloc(8))
})
