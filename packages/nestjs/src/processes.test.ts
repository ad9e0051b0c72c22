import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, test } from 'vitest'
import { adapters } from './testing/shop.ts'

const program = fileURLToPath(new URL('./testing/orders-process.ts', import.meta.url))
const children: ChildProcess[] = []

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
})

interface Started {
  readonly url: string
  readonly errors: readonly string[]
  /** Sends SIGTERM. @returns exit code and signal */
  stop(): Promise<readonly unknown[]>
}

/** Starts a process, and waits until it listens. */
async function start(env: Readonly<Record<string, string>>): Promise<Started> {
  const child = spawn(process.execPath, [program], {
    env: { ...process.env, DELAY_MS: '50', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  children.push(child)
  const errors: string[] = []
  child.stderr.on('data', (text) => errors.push(String(text)))
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string]
  return {
    url: line.slice('url '.length),
    errors,
    stop() {
      const exited = once(child, 'exit')
      child.kill('SIGTERM')
      return exited
    },
  }
}

describe.each(Object.keys(adapters))('a process on %s at SIGTERM', (ADAPTER) => {
  test('answers the requests under way, with an open database, and ends by the signal', async () => {
    const { url, errors, stop } = await start({ ADAPTER, REGISTRY: 'memory:', SLOWEST_MS: '1000' })
    const responses = Array.from({ length: 20 }, () => fetch(`${url}/orders`).then((response) => response.text()))
    await Promise.race(responses)
    const exited = stop()
    expect(await Promise.all(responses)).toEqual(new Array(20).fill('done'))
    expect(await exited).toEqual([null, 'SIGTERM'])
    expect(errors).toEqual([])
  })

  test('exits with 0 if Nest is asked to', async () => {
    const { errors, stop } = await start({ ADAPTER, REGISTRY: 'memory:', EXITS: '1' })
    expect(await stop()).toEqual([0, null])
    expect(errors).toEqual([])
  })

  test('ends while the registry is unreachable', async () => {
    const { url, errors, stop } = await start({ ADAPTER, REGISTRY: 'consul://127.0.0.1:9?operationTimeoutMs=300' })
    expect(await (await fetch(`${url}/orders`)).text()).toBe('done')
    expect(await stop()).toEqual([null, 'SIGTERM'])
    expect(errors.join('')).not.toContain('Unhandled')
  })
})
