import { Agent } from 'node:http'
import { Socket } from 'node:net'
import { expect, test, vi } from 'vitest'
import { followAgentCertificates } from './agent-certificates.ts'
import type { TlsCertificates } from './tls-options.ts'

function createAgent(): { readonly agent: Agent; readonly idle: Socket; readonly busy: Socket } {
  const [agent, idle, busy] = [new Agent(), new Socket(), new Socket()]
  Object.assign(agent.freeSockets, { 'a:1:': [idle], 'b:1:': undefined })
  Object.assign(agent.sockets, { 'a:1:': [busy] })
  return { agent, idle, busy }
}

test('closes idle connections when a certificate has changed, and only then', async () => {
  const { agent, idle, busy } = createAgent()
  const close = vi.spyOn(idle, 'destroy')
  let now: TlsCertificates = { ca: 'first' }
  const certificates = followAgentCertificates(agent, { current: async () => now, forget: () => undefined })
  expect(certificates.latest).toEqual({})
  await certificates.refresh()
  await certificates.refresh()
  expect(certificates.latest).toBe(now)
  expect(close).toHaveBeenCalledOnce()
  now = { ca: 'second' }
  await certificates.refresh()
  expect(certificates.latest).toBe(now)
  expect(close).toHaveBeenCalledTimes(2)
  expect(busy.destroyed).toBe(false)
})

test('keeps the latest if the next cannot be read, and stays empty without a source', async () => {
  const { agent, idle } = createAgent()
  const current = vi.fn(async (): Promise<TlsCertificates> => ({ ca: 'first' }))
  const certificates = followAgentCertificates(agent, { current, forget: () => undefined })
  await certificates.refresh()
  current.mockRejectedValueOnce(new Error('unreadable'))
  await expect(certificates.refresh()).rejects.toThrow('unreadable')
  expect(certificates.latest).toEqual({ ca: 'first' })
  const without = createAgent()
  const none = followAgentCertificates(without.agent, undefined)
  await none.refresh()
  expect([none.latest, without.idle.destroyed, idle.destroyed]).toEqual([{}, false, true])
})
