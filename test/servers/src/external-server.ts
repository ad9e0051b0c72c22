import type { ServerSource } from './sources.ts'
import type { TestServer } from './test-server.ts'

/**
 * A server that somebody else runs, by its address `127.0.0.1:port`. It can be used, and nothing else: a test that stops, pauses or empties its
 * server asks for one of its own.
 */
export function useExternalServer(
  name: string,
  { address }: Extract<ServerSource, { kind: 'address' }>,
): TestServer & { port: number } {
  const match = /^(?:https?:\/\/)?(?:localhost|127\.0\.0\.1):(\d+)\/?$/.exec(address)
  if (!match) {
    throw new Error(`SD_TEST_${name.toUpperCase()}: want 127.0.0.1:port, because faults are put between on loopback`)
  }
  const refuse = (): Promise<never> => Promise.reject(new Error(`this ${name} is not the test's own`))
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
