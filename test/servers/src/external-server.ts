import type { ServerSource } from './sources.ts'
import type { TestServer } from './test-server.ts'

/**
 * Uses a running server by its address `127.0.0.1:port`. Only requests are possible: a test that stops, pauses or empties
 * its server needs its own.
 */
export function useExternalServer(
  name: string,
  { address }: Extract<ServerSource, { kind: 'address' }>,
): TestServer & { port: number } {
  const match = /^(?:https?:\/\/)?(?:localhost|127\.0\.0\.1):(\d+)\/?$/.exec(address)
  if (!match) {
    throw new Error(`SD_TEST_${name.toUpperCase()}: want 127.0.0.1:port, because tests put a proxy in front of it`)
  }
  const refuse = (): Promise<never> => Promise.reject(new Error(`the test does not own this ${name}`))
  return {
    port: Number(match[1]),
    folder: '',
    pid: () => undefined,
    log: () => '',
    start: refuse,
    stop: refuse,
    kill: refuse,
    pause: refuse,
    resume: refuse,
    restartEmpty: refuse,
    signal: refuse,
    close: () => Promise.resolve(),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
}
