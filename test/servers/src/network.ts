import { randomInt } from 'node:crypto'
import { connect, createServer } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

/** Returns a free TCP port of loopback, below the range that the system uses for outgoing connections. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(15_000, 32_000)
    const isFree = await new Promise<boolean>((resolve) => {
      const server = createServer()
      server.once('error', () => resolve(false))
      server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
    })
    if (isFree) return port
  }
}

/** Resolves if something listens on this port of loopback. */
export function probePort(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', timeout: 1_000 })
    socket.once('connect', () => {
      socket.destroy()
      resolve()
    })
    socket.once('timeout', () => socket.destroy(new Error('no response')))
    socket.once('error', reject)
  })
}

/** Repeats `probe` until it no longer throws. @throws its last error, after `limitMs` or as soon as `isOver` returns true */
export async function untilReady(probe: () => Promise<unknown>, limitMs: number, isOver: () => boolean): Promise<void> {
  const endAt = performance.now() + limitMs
  for (;;) {
    try {
      await probe()
      return
    } catch (error) {
      if (isOver() || performance.now() > endAt) throw error
    }
    await delay(50)
  }
}
