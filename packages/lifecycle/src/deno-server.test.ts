import { expect, test } from 'vitest'
import { toDrainable } from './recognise-server.ts'

// The order of steps, which does not need Deno. Tests of @sd/app run it there.

test('a server of Deno.serve reports its port, and shuts down by itself', async () => {
  const calls: string[] = []
  const drain = toDrainable({
    addr: { port: 4_711 },
    finished: Promise.resolve(),
    shutdown: async () => void calls.push('shutdown'),
  })
  expect(await drain.whenListening()).toBe(4_711)
  expect(drain.beginDrain).toBeUndefined()
  await drain.finishDrain()
  expect(calls).toEqual(['shutdown'])
  expect(await drain.destroy()).toBeUndefined()
})
