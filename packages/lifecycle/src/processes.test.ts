import { spawnSync } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { startProcess } from './testing/start-process.ts'

// Each row of the table "How a process ends" in docs/guides/operations.md, with real processes. A signal is sent once the
// server has the request. How long requests take is how late the signal may arrive on a busy machine.

/** Whether processes can run as process 1 here. That requires Linux and a privilege. */
const canBePid1 = process.platform === 'linux' && spawnSync('unshare', ['--pid', '--fork', 'true']).status === 0

describe.concurrent('a process on SIGTERM', () => {
  test('lets requests end, runs the hooks and exits with 0', async () => {
    const { child, lines, exited, begin } = await startProcess()
    const { ended } = await begin('/1500')
    child.kill('SIGTERM')
    expect(await ended).toBe('done')
    expect(await exited).toEqual([0, null])
    expect(lines).toEqual(['hook'])
  })

  test('with two lifecycles ends when both have ended', async () => {
    const { child, lines, exited, begin } = await startProcess({ scene: 'two', servers: 2 })
    const { ended } = await begin('/2000')
    child.kill('SIGTERM')
    expect(await ended).toBe('done')
    expect(await exited).toEqual([0, null])
    expect(lines).toEqual(['second hook', 'hook'])
  })

  test('waits for a lifecycle that the application itself ends', async () => {
    const { child, lines, exited, begin } = await startProcess({ scene: 'own ending', servers: 2 })
    const { ended } = await begin('/2000')
    child.kill('SIGTERM')
    expect(await ended).toBe('done')
    expect(await exited).toEqual([0, null])
    expect(lines).toEqual(['hook', 'own hook'])
  })

  test.each(['raised again', 'raised again once'])('that a framework raises again is one shutdown (%s)', async (scene) => {
    const { child, lines, exited, begin } = await startProcess({ scene, env: { DRAIN_TIMEOUT_MS: '10000' } })
    const { ended } = await begin('/3500')
    child.kill('SIGTERM')
    expect(await ended).toBe('done')
    expect(await exited).toEqual([0, null])
    expect(lines).toEqual(['raises again', 'hook'])
  })

  test('during start registers nothing and ends at once', async () => {
    const { child, lines, exited } = await startProcess({ scene: 'starting' })
    const startedAt = performance.now()
    child.kill('SIGTERM')
    expect(await exited).toEqual([0, null])
    // Less than any of its timeouts.
    expect(performance.now() - startedAt).toBeLessThan(5_000)
    expect(lines.toSorted()).toEqual(['hook', 'state stopping'])
  })

  test('with an uncaught exception while it drains ends at once with 1', async () => {
    const { child, errors, exited, begin } = await startProcess({ scene: 'exception while draining' })
    const { ended } = await begin('/10000')
    child.kill('SIGTERM')
    expect(await ended).toBe('cut')
    expect(await exited).toEqual([1, null])
    expect(errors.join('\n')).toContain('a bug while draining')
  })

  test('with an exception that has a handler while it drains continues draining', async () => {
    const { child, lines, exited, begin } = await startProcess({ scene: 'handled exception' })
    const { ended } = await begin('/2000')
    child.kill('SIGTERM')
    expect(await ended).toBe('done')
    expect(await exited).toEqual([0, null])
    expect(lines).toEqual(['handled a bug while draining', 'hook'])
  })

  test.each(['cluster', 'worker'])('that passes it on to its %s ends after it', async (scene) => {
    const { child, lines, exited, begin } = await startProcess({ scene })
    const { ended } = await begin('/1500')
    child.kill('SIGTERM')
    expect(await ended).toBe('done')
    expect(await exited).toEqual([0, null])
    expect(lines).toEqual(['hook', 'worker 0'])
  })

  test('with exit: false ends when nothing keeps it alive', async () => {
    const { child, lines, exited, get } = await startProcess({ scene: 'no exit' })
    expect(await get('/0')).toBe('done')
    child.kill('SIGTERM')
    expect(await exited).toEqual([0, null])
    expect(lines).toEqual(['hook', 'exit 0'])
  })

  test.runIf(canBePid1)('as process 1 of a container ends like any other', async () => {
    // unshare does not forward signals, so the signal is sent to the process itself.
    const { child, lines, exited, begin } = await startProcess({ command: ['unshare', '--pid', '--fork', process.execPath] })
    const { ended } = await begin('/1500')
    const children = await readFile(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8')
    process.kill(Number(children), 'SIGTERM')
    expect(await ended).toBe('done')
    expect(await exited).toEqual([0, null])
    expect(lines).toEqual(['hook'])
  })
})

describe.concurrent('a process', () => {
  test('that cuts off a request exits with 1 and reports it on stderr', async () => {
    const { child, errors, exited, begin } = await startProcess({ env: { DRAIN_TIMEOUT_MS: '100' } })
    const { ended } = await begin('/60000')
    child.kill('SIGINT')
    expect(await ended).toBe('cut')
    expect(await exited).toEqual([1, null])
    expect(errors).toContainEqual('Cut after drainTimeoutMs = 100 ms: 1 request')
  })

  test.each([
    ['SIGTERM', 143],
    ['SIGINT', 130],
  ] as const)('that gets %s more than a second after the first signal ends at once', async (second, code) => {
    const env = { DRAIN_TIMEOUT_MS: '60000' }
    const { child, exited, begin, says } = await startProcess({ scene: 'prints signals', env })
    const { ended } = await begin('/60000')
    child.kill('SIGTERM')
    await says('got SIGTERM')
    await delay(1_100)
    child.kill(second)
    expect(await exited).toEqual([code, null])
    expect(await ended).toBe('cut')
  })

  test('that gets the same signal twice within a second, as from a terminal and a parent, treats it as one', async () => {
    const { child, exited, begin } = await startProcess()
    const { ended } = await begin('/1500')
    for (const signal of ['SIGINT', 'SIGINT', 'SIGTERM'] as const) child.kill(signal)
    expect(await ended).toBe('done')
    expect(await exited).toEqual([0, null])
  })

  test('whose start waits for a server that never listens fails with a message about it', async () => {
    const { errors, exited } = await startProcess({ scene: 'never listens' })
    expect(await exited).toEqual([1, null])
    expect(errors.join('\n')).toContain('The server did not listen within startTimeoutMs = 300 ms')
  })
})
