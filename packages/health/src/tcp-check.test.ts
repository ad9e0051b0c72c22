import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import { eventually } from '@sd/testing'
import { expect, onTestFinished, test } from 'vitest'
import { createTcpCheck } from './index.ts'
import { listen, localTarget, neverAborted } from './testing/targets.ts'

test('a port that accepts connections is healthy, and the connection is closed', async () => {
  const sockets: Socket[] = []
  const target = await listen(createServer((socket) => void sockets.push(socket.on('error', () => undefined).resume())))
  await createTcpCheck().run(target, { signal: neverAborted })
  await eventually(() => expect(sockets.map(({ closed }) => closed)).toEqual([true]), 5_000)
})

test('checks another port than the instance’s', async () => {
  const { port } = await listen(createServer((socket) => void socket.on('error', () => undefined)))
  await createTcpCheck({ port }).run(localTarget(1), { signal: neverAborted })
})

test('a refused connection fails with its reason', async () => {
  const server = createServer()
  const target = await listen(server)
  server.close()
  await once(server, 'close')
  await expect(createTcpCheck().run(target, { signal: neverAborted })).rejects.toMatchObject({
    code: 'SD_UNAVAILABLE',
    message: expect.stringContaining('ECONNREFUSED'),
  })
  await expect(createTcpCheck().run({ ...target, address: 'localhost' }, { signal: neverAborted })).rejects.toMatchObject({
    message: expect.stringContaining('ECONNREFUSED'),
  })
})

test('the signal ends a connection attempt that hangs', async () => {
  const program = fileURLToPath(new URL('./testing/accepts-nothing.ts', import.meta.url))
  const child = spawn(process.execPath, [program], { stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  const [port] = await once(child.stdout, 'data')
  child.kill('SIGSTOP')
  const target = localTarget(Number(port))
  const fillers = Array.from({ length: 8 }, () => connect(target.port, target.address).on('error', () => undefined))
  onTestFinished(() => {
    for (const filler of fillers) filler.destroy()
  })
  await eventually(() => expect(fillers.some(({ readyState }) => readyState === 'open')).toBe(true), 5_000)
  await expect(createTcpCheck().run(target, { signal: AbortSignal.timeout(500) })).rejects.toMatchObject({
    message: 'TCP: The operation was aborted',
  })
})

test('an aborted signal prevents the connection', async () => {
  const target = await listen(createServer())
  await expect(createTcpCheck().run(target, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'SD_UNAVAILABLE' })
})

test.each([
  ['port', { port: 0 }],
  ['name', { name: '' }],
  ['path', { path: '/' } as never],
])('a bad %s is refused', (field, options) => {
  expect(() => createTcpCheck(options)).toThrow(expect.objectContaining({ code: 'SD_INVALID', field }))
})
