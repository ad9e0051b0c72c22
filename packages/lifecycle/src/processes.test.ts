import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { eventually } from '@sd/testing'
import { describe, expect, test } from 'vitest'

// Each row of the table "How a process ends" in docs/guides/operations.md, with real processes.

const program = fileURLToPath(new URL('./testing/server-process.ts', import.meta.url))
/** Whether processes can be given a process id of 1 here: that takes Linux, and a privilege. */
const canBePid1 = process.platform === 'linux' && spawnSync('unshare', ['--pid', '--fork', 'true']).status === 0

async function run(scene: string, { servers = 1, command = [process.execPath] }: { servers?: number; command?: string[] } = {}) {
  const [file = '', ...args] = [...command, program]
  const child = spawn(file, args, { env: { ...process.env, SCENE: scene }, stdio: ['ignore', 'pipe', 'pipe'] })
  const lines: string[] = []
  const errors: string[] = []
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line))
  createInterface({ input: child.stderr }).on('line', (line) => errors.push(line))
  const exited = once(child, 'close')
  await eventually(() => expect(lines.length, errors.join('\n')).toBe(servers), 10_000)
  const origins = lines.splice(0).map((line) => `http://127.0.0.1:${line.slice(5)}`)
  const get = (path: string, server = 0): Promise<string> =>
    fetch(`${origins[server]}${path}`).then(
      (response) => response.text(),
      () => 'cut',
    )
  return { child, lines, errors, exited, get }
}

describe('a process on SIGTERM', () => {
  test('with two lifecycles ends when both have ended', async () => {
    const { child, lines, exited, get } = await run('two', { servers: 2 })
    const under = get('/700')
    await delay(100)
    child.kill('SIGTERM')
    expect(await under).toBe('done')
    expect(await exited).toEqual([0, null])
    expect(lines).toEqual(['second hook', 'hook'])
  })

  test('waits for a lifecycle that the application itself ends', async () => {
    const { child, lines, exited, get } = await run('own ending', { servers: 2 })
    const under = get('/700')
    await delay(100)
    child.kill('SIGTERM')
    expect(await under).toBe('done')
    expect(await exited).toEqual([0, null])
    expect(lines).toEqual(['hook', 'own hook'])
  })

  test.each(['raised again', 'raised again once'])('that a framework raises again is one shutdown (%s)', async (scene) => {
    const { child, lines, exited, get } = await run(scene)
    const under = get('/1800')
    await delay(100)
    child.kill('SIGTERM')
    expect(await under).toBe('done')
    expect(await exited).toEqual([0, null])
    expect(lines).toEqual(['raises again', 'hook'])
  })

  test('while it starts registers nothing and ends at once', async () => {
    const { child, lines, exited } = await run('starting')
    const startedAt = performance.now()
    child.kill('SIGTERM')
    expect(await exited).toEqual([0, null])
    expect(performance.now() - startedAt).toBeLessThan(3_000)
    expect(lines.toSorted()).toEqual(['hook', 'state stopping'])
  })

  test('with an exception that nobody catches while it drains ends at once with 1', async () => {
    const { child, errors, exited, get } = await run('exception while draining')
    const under = get('/1500')
    await delay(100)
    child.kill('SIGTERM')
    expect(await under).toBe('cut')
    expect(await exited).toEqual([1, null])
    expect(errors.join('\n')).toContain('a bug while draining')
  })

  test('with an exception that is heard while it drains goes on draining', async () => {
    const { child, lines, exited, get } = await run('exception that is heard')
    const under = get('/700')
    await delay(100)
    child.kill('SIGTERM')
    expect(await under).toBe('done')
    expect(await exited).toEqual([0, null])
    expect(lines).toEqual(['heard a bug while draining', 'hook'])
  })

  test.each(['cluster', 'worker'])('that passes it on to its %s ends after it', async (scene) => {
    const { child, lines, exited, get } = await run(scene)
    const under = get('/700')
    await delay(100)
    child.kill('SIGTERM')
    expect(await under).toBe('done')
    expect(await exited).toEqual([0, null])
    expect(lines).toEqual(['hook', 'worker 0'])
  })

  test('with exit: false ends by itself, as nothing of it is left', async () => {
    const { child, lines, exited, get } = await run('no exit')
    expect(await get('/0')).toBe('done')
    child.kill('SIGTERM')
    expect(await exited).toEqual([0, null])
    expect(lines).toEqual(['hook', 'exit 0'])
  })

  test.runIf(canBePid1)('as process 1 of a container ends like any other', async () => {
    // unshare passes no signal on: it goes to the process itself.
    const { child, lines, exited, get } = await run('plain', { command: ['unshare', '--pid', '--fork', process.execPath] })
    const under = get('/500')
    await delay(100)
    const children = await readFile(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8')
    process.kill(Number(children), 'SIGTERM')
    expect(await under).toBe('done')
    expect(await exited).toEqual([0, null])
    expect(lines).toEqual(['hook'])
  })
})

test('a start that waits for a server which never listens fails with what it waited for, and does not end in silence', async () => {
  const { errors, exited } = await run('never listens')
  expect(await exited).toEqual([1, null])
  expect(errors.join('\n')).toContain('startTimeoutMs = 300 ms were over before the server listened')
})
