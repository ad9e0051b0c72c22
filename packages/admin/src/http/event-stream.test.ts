import { expect, test } from 'vitest'
import { EventJournal } from '../record/event-journal.ts'
import { followEvents } from '../testing/read-events.ts'
import { listen } from '../testing/world.ts'
import { createEventStreams } from './event-stream.ts'

test('a reader that does not read is dropped, and the others go on', async () => {
  await using stack = new AsyncDisposableStack()
  const journal = new EventJournal()
  const streams = createEventStreams(journal)
  stack.defer(() => streams.close())
  const port = await listen(stack, (request, response) => streams.open(request, response))
  const origin = `http://127.0.0.1:${port}`
  const slow = await followEvents(origin)
  const good = await followEvents(origin)
  let isDropped = false
  void slow.ended.then(() => {
    isDropped = true
  })
  slow.response.socket.pause()
  slow.response.pause()
  const text = 'x'.repeat(500)
  let published = 0
  // The sockets of the machine hold some megabytes.
  for (let batch = 0; batch < 1_000 && journalHasSlowReader(); batch++) {
    for (let count = 0; count < 100; count++) journal.add({ kind: 'change', severity: 'info', text })
    journal.tick()
    published += 100
    await expect.poll(() => good.events.length).toBe(published)
  }
  slow.response.socket.resume()
  slow.response.resume()
  await slow.ended
  expect(isDropped).toBe(true)
  expect(slow.events.length).toBeLessThan(published)
  expect(good.events.at(-1)?.id).toBe(published)
  good.close()

  function journalHasSlowReader(): boolean {
    return streams.count > 1
  }
})
