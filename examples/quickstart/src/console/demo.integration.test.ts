import type { FleetModel } from '@sd/fleet'
import { eventually } from '@sd/testing'
import { expect, test } from 'vitest'
import { runConsoleDemo } from './demo.ts'

/** A user of the page, by its interface. */
async function logIn(url: string, code: string): Promise<(path: string, body?: object) => Promise<unknown>> {
  const own = { 'content-type': 'application/json', 'x-sd-console': '1', origin: new URL(url).origin }
  const entered = await fetch(`${url}api/login`, { method: 'POST', headers: own, body: JSON.stringify({ secret: code }) })
  const cookie = entered.headers.get('set-cookie')?.split(';', 1)[0] ?? ''
  return async (path, body) => {
    const init = body ? { method: 'POST', body: JSON.stringify(body) } : {}
    const response = await fetch(url + path, { ...init, headers: { ...own, cookie } })
    const answer: unknown = await response.json()
    expect(response.status, JSON.stringify(answer)).toBe(200)
    return answer
  }
}

test('shows an unhealthy instance and an open breaker, and a rollback closes it', { timeout: 90_000 }, async () => {
  const end = new AbortController()
  const texts: string[] = []
  const demo = runConsoleDemo({ port: 0, stepMs: 1_000, signal: end.signal, write: (text) => void texts.push(text) })
  try {
    await eventually(() => expect(texts.join('')).toContain('bob pushes'), 30_000)
    const [, url = '', code = ''] = /Open (\S+) and log in with the code (\w+)/.exec(texts.join('')) ?? []
    const ask = await logIn(url, code)
    const model = async (): Promise<FleetModel> => (await ask('api/model')) as FleetModel
    const problems = async (): Promise<string> => (await model()).problems.map(({ text }) => text).join('\n')
    await eventually(async () => {
      const stock = (await model()).services.find(({ service }) => service === 'stock')
      expect(stock?.instances.map(({ healthMessage }) => healthMessage)).toContain('no disk')
      expect(await problems()).toContain('send nothing to orders: the breaker is open')
    }, 30_000)
    const undo = {
      action: 'config.rollback',
      source: 'files',
      key: 'orders.yaml',
      version: 1,
      ifVersion: 2,
      reason: 'stock needs more time',
    }
    await ask('api/changes', undo)
    await eventually(async () => expect(await problems()).not.toContain('breaker'), 30_000)
  } finally {
    end.abort()
    await demo
  }
})
