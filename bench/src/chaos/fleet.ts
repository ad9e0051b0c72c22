import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { rename, writeFile } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'

/** More connections than a server's backlog takes while it is stopped: further ones are dropped by the kernel. */
const fillers = 540

interface FleetServer {
  process: ChildProcess
  readonly port: number
  isListed: boolean
}

/** Five server processes behind one file, which stands for the registry. */
export class Fleet {
  readonly #file: string
  readonly #servers: FleetServer[] = []
  #fillers: Socket[] = []

  constructor(file: string) {
    this.#file = file
  }

  /** Starts the servers. */
  async start(count: number): Promise<void> {
    for (let index = 0; index < count; index++) {
      const process = forkServer(0)
      const [port] = (await once(process, 'message')) as [number]
      this.#servers.push({ process, port, isListed: true })
    }
    await this.#publish()
  }

  /** Ends a server without warning. It stays listed, as one whose lease has not ended. */
  kill(index: number): void {
    this.#of(index).process.kill('SIGKILL')
  }

  /** Starts a server again on its port. */
  async restart(index: number): Promise<void> {
    const server = this.#of(index)
    if (server.process.exitCode === null && server.process.signalCode === null) await once(server.process, 'exit')
    server.process = forkServer(server.port)
    await once(server.process, 'message')
  }

  /** Asks a server to end when it has answered. */
  drain(index: number): void {
    this.#of(index).process.kill('SIGTERM')
  }

  /** Stops a process, which then takes connections and never answers. */
  stop(index: number): void {
    this.#of(index).process.kill('SIGSTOP')
  }

  /** Stops it with its backlog full, so that it looks as if packets to it were dropped. */
  blackHole(index: number): void {
    const { port } = this.#of(index)
    this.stop(index)
    this.#fillers = Array.from({ length: fillers }, () => connect({ port, host: '127.0.0.1' }).on('error', () => {}))
  }

  /** Lets a process go on. */
  proceed(index: number): void {
    for (const socket of this.#fillers) socket.destroy()
    this.#fillers = []
    this.#of(index).process.kill('SIGCONT')
  }

  /** Makes a server slower by a factor, or all of them fail. */
  tell(index: number, message: { readonly factor?: number; readonly fails?: boolean }): void {
    const { process } = this.#of(index)
    if (process.connected) process.send(message)
  }

  /** Lists a server, or takes it off the list. */
  async list(index: number, isListed: boolean): Promise<void> {
    this.#of(index).isListed = isListed
    await this.#publish()
  }

  /** Ends all of them. */
  async close(): Promise<void> {
    for (const socket of this.#fillers) socket.destroy()
    for (const { process } of this.#servers) {
      if (process.exitCode !== null || process.signalCode !== null) continue
      process.kill('SIGKILL')
      await once(process, 'exit')
    }
  }

  #of(index: number): FleetServer {
    return this.#servers[index] as FleetServer
  }

  async #publish(): Promise<void> {
    const orders = this.#servers.filter(({ isListed }) => isListed).map(({ port }) => ({ address: '127.0.0.1', port }))
    await writeFile(`${this.#file}.new`, JSON.stringify({ services: { orders } }))
    await rename(`${this.#file}.new`, this.#file)
  }
}

function forkServer(port: number): ChildProcess {
  return fork(new URL('./server-process.ts', import.meta.url), [String(port)], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
}
