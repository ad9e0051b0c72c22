import { beforeEach, expect, test, vi } from 'vitest'
import { type BunServer, createBunDrain } from './bun-server.ts'
import { toDrainable } from './recognise-server.ts'

// The order of steps, which does not need Bun. docs/reliability.md has a table of Bun's own behaviour.

beforeEach(() => {
  vi.useFakeTimers()
  return () => {
    expect(vi.getTimerCount()).toBe(0)
    vi.useRealTimers()
  }
})

function createServer() {
  const calls: string[] = []
  const server = {
    port: 4_711,
    pendingRequests: 1,
    pendingWebSockets: 1,
    stop: (cut = false) => void calls.push(cut ? 'stop and cut' : 'stop'),
  } satisfies BunServer
  return { server, calls }
}

test('stops accepting, waits for requests and sockets, then closes idle connections', async () => {
  const { server, calls } = createServer()
  const drain = toDrainable(server)
  expect(await drain.whenListening()).toBe(4_711)
  expect(drain.beginDrain).toBeUndefined()
  expect(drain.remaining?.()).toEqual({ requests: 1, upgraded: 1, connections: 0 })
  const finished = drain.finishDrain()
  await vi.advanceTimersByTimeAsync(60_000)
  server.pendingRequests = 0
  await vi.advanceTimersByTimeAsync(60_000)
  expect(calls).toEqual(['stop'])
  server.pendingWebSockets = 0
  await vi.advanceTimersByTimeAsync(20)
  await finished
  expect(calls).toEqual(['stop', 'stop and cut'])
})

test('does not wait for cut work', async () => {
  const { server, calls } = createServer()
  const drain = createBunDrain(server)
  const finished = drain.finishDrain()
  await drain.destroy()
  await vi.advanceTimersByTimeAsync(20)
  await finished
  expect(calls).toEqual(['stop', 'stop and cut', 'stop and cut'])
})
