import cluster from 'node:cluster'
import { createServer, type Server } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { isMainThread, parentPort, Worker } from 'node:worker_threads'
import { createMemoryRegistry } from '@sd/registry-memory'
import { createLifecycle, type Lifecycle, type LifecycleOptions } from '../index.ts'

// A server in its own process, for tests that send it signals. Its requests take as long as their path says, in
// milliseconds. The scene, in the environment, selects what else the process does.

const { SCENE: scene = 'plain', DRAIN_TIMEOUT_MS: drainTimeoutMs = '5000' } = process.env

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}

function createSlowServer(): Server {
  return createServer((request, response) => {
    say(`request ${request.url}`)
    setTimeout(() => response.end('done'), Number(request.url?.slice(1)))
  })
}

async function serve(options: Partial<LifecycleOptions> = {}, server: Server = createSlowServer()): Promise<Lifecycle> {
  const registrar = createMemoryRegistry()
  const lifecycle = createLifecycle({
    registrar,
    server,
    instance: { service: 'orders', address: '127.0.0.1' },
    propagationDelayMs: 50,
    drainTimeoutMs: Number(drainTimeoutMs),
    onShutdown: [() => say('hook'), () => registrar.close()],
    ...options,
  })
  server.listen(0, '127.0.0.1')
  await lifecycle.start()
  const address = server.address()
  say(`port ${typeof address === 'object' ? address?.port : ''}`)
  return lifecycle
}

const scenes: Readonly<Record<string, () => Promise<unknown>>> = {
  plain: () => serve(),
  /** Prints when a signal arrives. */
  'prints signals': async () => {
    await serve()
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => say(`got ${signal}`))
  },
  /** Two servers, of which the second is idle. */
  two: async () => {
    await serve()
    await serve({ onShutdown: [() => say('second hook')] })
  },
  /** One server that the application closes at the signal, and one that the signal closes. */
  'own ending': async () => {
    const own = await serve({ signals: [], onShutdown: [() => say('own hook')] })
    process.on('SIGTERM', () => void own.close())
    await serve()
  },
  /** A framework that also handles the signal, closes something of its own, and raises the signal again. */
  'raised again': async () => {
    async function end(): Promise<void> {
      await delay(1_100)
      process.removeListener('SIGTERM', end)
      say('raises again')
      process.kill(process.pid, 'SIGTERM')
    }
    process.on('SIGTERM', end)
    await serve()
  },
  /** The same, with a listener that is removed when it is called, and was added first. */
  'raised again once': async () => {
    process.once('SIGTERM', async () => {
      await delay(1_100)
      say('raises again')
      process.kill(process.pid, 'SIGTERM')
    })
    await serve()
  },
  /** A server that does not listen yet. */
  starting: async () => {
    const lifecycle = createLifecycle({
      registrar: createMemoryRegistry(),
      server: createSlowServer(),
      instance: { service: 'orders', address: '127.0.0.1' },
      onShutdown: [() => say('hook')],
    })
    const started = lifecycle.start()
    say('port 1')
    await started
    say(`state ${lifecycle.state}`)
  },
  /** A start that nothing else keeps the process alive for: a deadlock with a hook of Nest, which listens only after it. */
  'never listens': async () => {
    const lifecycle = createLifecycle({
      registrar: createMemoryRegistry(),
      server: createSlowServer(),
      instance: { service: 'orders', address: '127.0.0.1' },
      startTimeoutMs: 300,
    })
    say('port 1')
    await lifecycle.start()
  },
  /** An uncaught exception while requests drain. */
  'exception while draining': () =>
    serve({
      beforeDrain: [
        () => {
          setTimeout(() => {
            throw new Error('a bug while draining')
          }, 100)
        },
      ],
    }),
  /** The same, in an application that handles uncaught exceptions. */
  'handled exception': async () => {
    process.on('uncaughtException', (error) => {
      say(`handled ${error.message}`)
      process.exitCode = 1
    })
    await scenes['exception while draining']?.()
  },
  /** A primary that forwards its signal, and ends after its workers. */
  cluster: async () => {
    if (!cluster.isPrimary) {
      await serve()
      return
    }
    const worker = cluster.fork()
    process.on('SIGTERM', () => {
      for (const one of Object.values(cluster.workers ?? {})) one?.process.kill('SIGTERM')
    })
    worker.on('exit', (code) => {
      say(`worker ${code}`)
      process.exit(code)
    })
  },
  /** A worker thread, which receives no signals: the main thread asks it to end. */
  worker: async () => {
    if (!isMainThread) {
      const lifecycle = await serve()
      parentPort?.once('message', async () => {
        const { errors } = await lifecycle.close()
        process.exit(errors.length)
      })
      return
    }
    const worker = new Worker(new URL(import.meta.url))
    process.on('SIGTERM', () => worker.postMessage('end'))
    worker.on('exit', (code) => {
      say(`worker ${code}`)
      process.exit(code)
    })
  },
  /** Without exit: the process ends when nothing keeps it alive. */
  'no exit': async () => {
    await serve({ exit: false })
    process.on('exit', (code) => say(`exit ${code}`))
  },
}

await scenes[scene]?.()
