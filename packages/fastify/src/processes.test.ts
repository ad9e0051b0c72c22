import { once } from 'node:events'
import { createServer } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { WebSocket } from 'ws'
import { startProcess } from './testing/start-process.ts'

describe('SIGTERM', { timeout: 60_000 }, () => {
  test('ends streams and WebSockets in the order of Fastify, then the service, then the process', async () => {
    const { child, port, lines, exited } = await startProcess()
    const stream = await fetch(`http://127.0.0.1:${port}/events`)
    const socket = new WebSocket(`ws://127.0.0.1:${port}/socket`)
    await once(socket, 'open')
    const closed = once(socket, 'close')
    child.kill('SIGTERM')
    expect(await stream.text()).toBe('data: hello\n\ndata: bye\n\n')
    await closed
    expect(await exited).toEqual([0, null])
    expect(lines).toEqual(['SIGTERM stopping', 'preClose stopping', 'onClose, client open', 'service ended', 'exit 0'])
  })

  test('and a handler of the application that calls close() are one end', async () => {
    const { child, lines, exited } = await startProcess({ SCENE: 'own handler' })
    child.kill('SIGTERM')
    expect(await exited).toEqual([0, null])
    expect(lines.filter((line) => line === 'service ended')).toHaveLength(1)
    expect(lines.at(-1)).toBe('exit 0')
  })

  test('while it starts, with a registry that does not respond, registers nothing and ends', async () => {
    const silent = createServer((socket) => socket.on('error', () => undefined)).listen(0, '127.0.0.1')
    await once(silent, 'listening')
    const address = silent.address()
    const registryPort = typeof address === 'object' ? address?.port : 0
    onTestFinished(() => void silent.close())
    const REGISTRY = `consul://127.0.0.1:${registryPort}?operationTimeoutMs=2000`
    const { child, lines, exited } = await startProcess({ REGISTRY, PROPAGATION_MS: '0' })
    child.kill('SIGTERM')
    const [, signal] = await exited
    expect(signal).toBeNull()
    expect(lines).toContain('preClose stopping')
    expect(lines).toContain('service ended')
  })
})
