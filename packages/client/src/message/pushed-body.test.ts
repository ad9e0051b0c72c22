import { describe, expect, test } from 'vitest'
import { PushedBody } from './pushed-body.ts'

/** An exchange that writes down what it gets. */
function createTarget(accepts: boolean = true) {
  const received: string[] = []
  return {
    received,
    write(chunk: Uint8Array) {
      received.push(Buffer.from(chunk).toString())
      return accepts
    },
    end: (trailers?: readonly string[]) => void received.push(`end ${trailers ?? ''}`.trim()),
  }
}

function write(body: PushedBody, ...texts: readonly string[]): readonly boolean[] {
  return texts.map((text) => body.write(Buffer.from(text)))
}

describe('a body that its caller pushes', () => {
  test('is kept until an exchange begins, which then gets it in order, and all that follows', () => {
    const body = new PushedBody(100)
    write(body, 'a', 'b')
    const target = createTarget()
    body.attach(target)
    write(body, 'c')
    body.end(['x-sum', '7'])
    expect(target.received).toEqual(['a', 'b', 'c', 'end x-sum,7'])
  })

  test('that has ended before an exchange begins is ended there, with its trailers', () => {
    const body = new PushedBody(100)
    write(body, 'a')
    body.end(['x-sum', '7'])
    const target = createTarget()
    body.attach(target)
    expect(target.received).toEqual(['a', 'end x-sum,7'])
  })

  test('takes nothing after its end', () => {
    const body = new PushedBody(100)
    const target = createTarget(false)
    body.attach(target)
    body.end()
    expect(write(body, 'late')).toEqual([true])
    body.end(['late', '1'])
    expect(target.received).toEqual(['end'])
  })

  test('asks its caller to wait while there is no connection, or as the exchange says', () => {
    const body = new PushedBody(1_000_000)
    expect(write(body, 'x'.repeat(65_535), 'y')).toEqual([true, false])
    body.attach(createTarget(false))
    expect(write(body, 'z')).toEqual([false])
    body.attach(createTarget())
    expect(write(body, 'z')).toEqual([true])
  })
})

describe('another attempt', () => {
  test('gets the whole body while it is small enough', () => {
    const body = new PushedBody(3)
    const first = createTarget()
    body.attach(first)
    body.noteSent()
    write(body, 'ab', 'c')
    expect([body.replayable, body.isDropped]).toEqual([true, false])
    body.detach(first)
    write(body, 'd')
    expect([body.replayable, body.isDropped]).toEqual([false, false])
  })

  test('is not possible once more was sent than may be kept', () => {
    const body = new PushedBody(3)
    const first = createTarget()
    body.attach(first)
    write(body, 'abcd')
    expect([body.replayable, body.isDropped]).toEqual([false, false])
    body.noteSent()
    expect([body.replayable, body.isDropped]).toEqual([false, true])
    body.detach(first)
    const second = createTarget()
    body.attach(second)
    expect(second.received).toEqual([])
  })

  test('is possible however large the body is, if no connection was made', () => {
    const body = new PushedBody(3)
    const first = createTarget()
    body.attach(first)
    write(body, 'abcd')
    body.detach(first)
    const second = createTarget()
    body.attach(second)
    write(body, 'e')
    expect(second.received).toEqual(['abcd', 'e'])
  })

  test('is not possible after release', () => {
    const body = new PushedBody(100)
    write(body, 'a')
    body.release()
    expect([body.replayable, body.isDropped]).toEqual([false, true])
  })

  test('is bounded for empty parts too', () => {
    const body = new PushedBody(2)
    const target = createTarget()
    body.attach(target)
    body.noteSent()
    write(body, '', '')
    expect(body.replayable).toBe(true)
    write(body, '')
    expect([body.replayable, body.isDropped]).toEqual([false, true])
  })

  test('keeps its exchange if an earlier one ends late', () => {
    const body = new PushedBody(100)
    const [first, second] = [createTarget(), createTarget()]
    body.attach(first)
    body.attach(second)
    body.detach(first)
    write(body, 'a')
    expect([first.received, second.received]).toEqual([[], ['a']])
  })
})
