import { randomInt } from 'node:crypto'
import { connect, createServer } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { reservePort } from './port-reservations.ts'

/**
 * Returns a free TCP port of loopback, below the range that the system uses for outgoing connections. No other process of these
 * tests gets it while this one runs: a server may bind it later, and again after it was killed.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(15_000, 32_000)
    if (reservePort(port) && (await isFree(port))) return port
  }
}

/** Returns a free port as {@link freePort}, and the one that is `offset` above it and free too. */
export async function freePorts(offset: number): Promise<readonly [number, number]> {
  for (;;) {
    const port = await freePort()
    const other = port + offset
    if (other < 32_000 && reservePort(other) && (await isFree(other))) return [port, other]
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
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
