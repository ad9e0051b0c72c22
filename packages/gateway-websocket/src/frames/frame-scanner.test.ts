import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { frame } from '../testing/stage.ts'
import { closeCodeOf, payloadOf, writeClose } from './control-frames.ts'
import { FrameScanner } from './frame-scanner.ts'

/** Reads chunks, and keeps what is passed on. Injects `<>` where a frame of the gateway may be sent. */
function scan(chunks: readonly Buffer[], { maxMessageBytes = 1_000_000, keepsPongs = true, inject = false } = {}) {
  const passed: Buffer[] = []
  const events: string[] = []
  const scanner = new FrameScanner(
    {
      onBytes: (chunk) => void passed.push(Buffer.from(chunk)),
      onBoundary() {
        passed.push(Buffer.from('<>'))
        scanner.wantsBoundary = inject
      },
      onControl: (opcode) => keepsPongs || opcode !== 10,
      onClose: (given) => void events.push(`close ${closeCodeOf(given)}`),
      onViolation: (code, reason) => void events.push(`${code} ${reason}`),
    },
    { isMasked: true, maxMessageBytes },
  )
  scanner.wantsBoundary = inject
  for (const chunk of chunks) scanner.read(chunk)
  return { passed: Buffer.concat(passed), events, scanner }
}

function split(data: Buffer, cuts: readonly number[]): Buffer[] {
  const at = [...new Set(cuts.map((cut) => cut % (data.length + 1)))].sort((one, other) => one - other)
  return [0, ...at].map((from, index) => data.subarray(from, at[index] ?? data.length)).filter(({ length }) => length > 0)
}

const payload = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes))
const control = fc
  .tuple(fc.constantFrom(9, 10), fc.uint8Array({ maxLength: 125 }))
  .map(([opcode, bytes]) => frame(opcode, Buffer.from(bytes)))
/** A message of one or more frames, with control frames between them. */
const message = fc.array(fc.tuple(payload, control), { minLength: 1, maxLength: 4 }).map((parts) => ({
  frames: parts.flatMap(([body, between], index) => [
    frame(index === 0 ? 2 : 0, body, { fin: index === parts.length - 1 }),
    ...(index === parts.length - 1 ? [] : [between]),
  ]),
  bytes: parts.reduce((sum, [body]) => sum + body.length, 0),
}))
const cutsOf = fc.array(fc.nat(), { maxLength: 30 })

test('whatever the chunks are, all bytes are passed on in order, and messages and bytes are counted', () => {
  fc.assert(
    fc.property(fc.array(message, { maxLength: 6 }), cutsOf, (messages, cuts) => {
      const data = Buffer.concat(messages.flatMap(({ frames }) => frames))
      const { passed, events, scanner } = scan(split(data, cuts))
      expect(passed.equals(data)).toBe(true)
      expect([events, scanner.messages, scanner.isAtBoundary]).toEqual([[], messages.length, true])
      expect(scanner.bytes).toBe(messages.reduce((sum, { bytes }) => sum + bytes, 0))
    }),
  )
})

test('whatever the chunks are, boundaries are between two frames', () => {
  fc.assert(
    fc.property(fc.array(message, { minLength: 1, maxLength: 6 }), cutsOf, (messages, cuts) => {
      const frames = messages.flatMap((each) => each.frames)
      const { passed } = scan(split(Buffer.concat(frames), cuts), { inject: true })
      expect(passed.equals(Buffer.concat(frames.flatMap((each) => [each, Buffer.from('<>')])))).toBe(true)
    }),
  )
})

test('a dropped PONG is missing, and nothing else, also byte by byte', () => {
  const frames = [frame(1, 'one'), frame(10, 'mine'), frame(9, 'ping'), frame(2, 'x'.repeat(70_000)), frame(10, 'mine')]
  const data = Buffer.concat(frames)
  const kept = Buffer.concat([frames[0], frames[2], frames[3]] as Buffer[])
  for (const chunks of [[data], Array.from(data, (_, index) => data.subarray(index, index + 1))]) {
    expect(scan(chunks, { keepsPongs: false }).passed.equals(kept)).toBe(true)
  }
})

describe('a peer that breaks the protocol', () => {
  const good = frame(1, 'good')
  test.each([
    ['has no mask', frame(1, 'bad', { masked: false }), '1002 frame without a mask'],
    ['has an unknown opcode', frame(3, 'bad'), '1002 unknown opcode'],
    ['has an unknown control opcode', frame(11, 'bad'), '1002 unknown opcode'],
    ['continues nothing', frame(0, 'bad'), '1002 fragment out of order'],
    ['fragments a PING', frame(9, 'bad', { fin: false }), '1002 invalid control frame'],
    ['sends a long PING', frame(9, 'x'.repeat(126)), '1002 invalid control frame'],
    ['announces too much', frame(1, '', { length: 1_000_001 }), '1009 more than 1000000 bytes'],
    ['announces more than there is', frame(1, '', { length: 2 ** 60 }), '1009 more than 1000000 bytes'],
  ])('and %s is stopped at the frame', (_, bad, event) => {
    for (const size of [1, 7, 1_000_000]) {
      const data = Buffer.concat([good, bad, good])
      const chunks = Array.from({ length: Math.ceil(data.length / size) }, (__, at) => data.subarray(at * size, (at + 1) * size))
      const { passed, events } = scan(chunks)
      expect([passed.equals(good), events]).toEqual([true, [event]])
    }
  })

  test('and begins a message within another, or exceeds the limit with its fragments, is stopped', () => {
    const part = frame(1, 'x'.repeat(600), { fin: false })
    expect(scan([part, frame(1, 'y')]).events).toEqual(['1002 fragment out of order'])
    expect(scan([part, frame(0, 'x'.repeat(600))], { maxMessageBytes: 1_000 }).events).toEqual(['1009 more than 1000 bytes'])
    expect(scan([frame(1, 'x'.repeat(600)), frame(1, 'x'.repeat(600))], { maxMessageBytes: 1_000 }).events).toEqual([])
  })
})

test('nothing is read after a CLOSE', () => {
  const close = writeClose(4_001, 'bye', true)
  const { passed, events } = scan([Buffer.concat([frame(1, 'last'), close, frame(1, 'late')]), frame(1, 'later')])
  expect([passed.equals(frame(1, 'last')), events]).toEqual([true, ['close 4001']])
  expect(closeCodeOf(frame(8))).toBe(1005)
  expect(payloadOf(close).subarray(2).toString()).toBe('bye')
})
