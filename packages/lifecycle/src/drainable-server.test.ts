import { once } from 'node:events'
import { createMemoryRegistry } from '@sd/registry-memory'
import { describe, expect, test } from 'vitest'
import { createLifecycle, type DrainableServer, type LifecycleOptions } from './index.ts'
import { connectGrpcEcho, startGrpcServer } from './testing/grpc-echo.ts'

const base = {
  registrar: createMemoryRegistry(),
  instance: { service: 'orders', address: '127.0.0.1' },
  propagationDelayMs: 0,
  signals: [],
  onError: () => undefined,
} satisfies Partial<LifecycleOptions>

describe('a gRPC server', () => {
  test('lets calls in progress end, and accepts no new ones', async () => {
    const { server, port } = await startGrpcServer()
    const lifecycle = createLifecycle({ ...base, server, instance: { ...base.instance, port } })
    await lifecycle.start()
    const channel = connectGrpcEcho(port)
    expect(await channel.echo('hello')).toBe('hello')
    const responses: string[] = []
    const stream = channel.echoTwice(300).on('data', (answer) => responses.push(String(answer)))
    await once(stream, 'data')
    const closing = lifecycle.close()
    await once(stream, 'end')
    expect(responses).toEqual(['300', '300'])
    expect(await closing).toEqual({ drained: true, errors: [] })
    await expect(channel.echo('late')).rejects.toMatchObject({ details: expect.stringContaining('ECONNREFUSED') })
    channel.close()
  })

  test('cuts off calls at the timeout', async () => {
    const { server, port } = await startGrpcServer()
    const lifecycle = createLifecycle({ ...base, server, instance: { ...base.instance, port }, drainTimeoutMs: 100 })
    await lifecycle.start()
    const channel = connectGrpcEcho(port)
    const stream = channel.echoTwice(60_000)
    const failed = once(stream, 'error')
    await once(stream, 'data')
    expect(await lifecycle.close()).toMatchObject({ drained: false, errors: [{ code: 'SD_TIMEOUT' }] })
    expect((await failed)[0]).toMatchObject({ details: expect.any(String) })
    channel.close()
  })

  test('needs a port', async () => {
    const { server } = await startGrpcServer()
    const lifecycle = createLifecycle({ ...base, server })
    await expect(lifecycle.start()).rejects.toMatchObject({ code: 'SD_INVALID', field: 'instance.port' })
    await lifecycle.close()
  })
})

describe('a server of your own', () => {
  function createRecorder(finish: () => Promise<void>): { readonly server: DrainableServer; readonly calls: string[] } {
    const calls: string[] = []
    const server: DrainableServer = {
      async whenListening() {
        calls.push('whenListening')
        return 4_711
      },
      beginDrain: () => void calls.push('beginDrain'),
      finishDrain() {
        calls.push('finishDrain')
        return finish()
      },
      destroy: () => void calls.push('destroy'),
    }
    return { server, calls }
  }

  test('is called once per step', async () => {
    const { server, calls } = createRecorder(async () => undefined)
    const lifecycle = createLifecycle({ ...base, server })
    await lifecycle.start()
    expect(lifecycle.registration?.instance.port).toBe(4_711)
    expect(await lifecycle.close()).toEqual({ drained: true, errors: [] })
    expect(calls).toEqual(['whenListening', 'beginDrain', 'finishDrain'])
  })

  test('is destroyed if it does not drain', async () => {
    const { server, calls } = createRecorder(() => Promise.reject(new Error('broken')))
    const lifecycle = createLifecycle({ ...base, server })
    await lifecycle.start()
    const { drained, errors } = await lifecycle.close()
    expect(drained).toBe(false)
    expect(errors.map(({ message }) => message)).toEqual([expect.stringContaining('broken')])
    expect(calls.at(-1)).toBe('destroy')
  })
})
