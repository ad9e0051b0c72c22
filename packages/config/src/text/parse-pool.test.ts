import { Worker } from 'node:worker_threads'
import { describe, expect, test, vi } from 'vitest'
import type { TextToParse } from './parse.ts'
import { createParsePool } from './parse-pool.ts'
import { TextError } from './text-error.ts'

const url = new URL('./parse-worker.ts', import.meta.url)
const signal = (): AbortSignal => new AbortController().signal

function textOf(content: string): TextToParse {
  return { content, format: 'yaml', key: 'app.yaml', isRelaxed: true, keepNewline: false }
}
const long = textOf(Array.from({ length: 10_000 }, (_, index) => `k${index}: v`).join('\n'))

function startNothing(): Worker {
  // It starts but never responds.
  return new Worker(
    'require("node:worker_threads").parentPort.once("message", () => { for (;;); }); require("node:worker_threads").parentPort.postMessage({})',
    {
      eval: true,
    },
  )
}

describe('long texts', () => {
  test('are parsed in one worker, short ones on the main thread', async () => {
    const start = vi.fn(() => new Worker(url))
    const pool = createParsePool(start)
    expect(await pool.parse(textOf('a: 1'), signal())).toMatchObject({ tree: { a: 1 } })
    expect(start).not.toHaveBeenCalled()
    const read = await Promise.all([long, long, long].map((text) => pool.parse(text, signal())))
    expect(read.map(({ tree, lines }) => [Object.keys(tree).length, lines.at(-1)])).toEqual(
      [10_000, 10_000, 10_000].map((n) => [n, n]),
    )
    expect(start).toHaveBeenCalledOnce()
    await start.mock.results[0]?.value.terminate()
  })

  test('that cannot be parsed are rejected with their place', async () => {
    const worker = new Worker(url)
    const failing = createParsePool(() => worker).parse(textOf(`${long.content}\nk1: again`), signal())
    await expect(failing).rejects.toBeInstanceOf(TextError)
    await expect(failing).rejects.toMatchObject({ message: 'has a key twice', line: 10_001 })
    await worker.terminate()
  })

  test('that take too long terminate their worker, and the next text starts another', async () => {
    const workers: Worker[] = []
    const pool = createParsePool(() => {
      workers.push(workers.length === 0 ? startNothing() : new Worker(url))
      return workers.at(-1) as Worker
    })
    const controller = new AbortController()
    const ended = pool.parse(long, controller.signal)
    const next = pool.parse(long, signal())
    await vi.waitFor(() => expect(workers).toHaveLength(1))
    const exited = new Promise((resolve) => workers[0]?.once('exit', resolve))
    controller.abort(new Error('too long'))
    await expect(ended).rejects.toThrow('too long')
    expect(Object.keys((await next).tree)).toHaveLength(10_000)
    await exited
    expect(workers).toHaveLength(2)
    await workers[1]?.terminate()
  })

  test('whose worker exits are rejected', async () => {
    const worker = startNothing()
    const failing = createParsePool(() => worker).parse(long, signal())
    worker.once('message', () => setTimeout(() => void worker.terminate(), 20))
    await expect(failing).rejects.toThrow('needs too much memory to parse')
  })

  test.each<[string, () => Worker]>([
    [
      'throws',
      () => {
        throw new TypeError('no workers here')
      },
    ],
    ['has no file', () => new Worker(new URL('./no-such-file.ts', import.meta.url))],
  ])('are read in place where starting a worker %s', async (_, start) => {
    const counted = vi.fn(start)
    const pool = createParsePool(counted)
    for (let run = 0; run < 2; run++) expect(Object.keys((await pool.parse(long, signal())).tree)).toHaveLength(10_000)
    expect(counted).toHaveBeenCalledOnce()
  })

  test('are not parsed after an abort', async () => {
    await expect(createParsePool(startNothing).parse(long, AbortSignal.abort(new Error('ended')))).rejects.toThrow('ended')
  })
})
