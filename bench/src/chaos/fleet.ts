import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { rename, writeFile } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'

/** More connections than the backlog of a stopped server holds: the kernel drops further ones. */
const fillers = 540

interface FleetServer {
  process: ChildProcess
  readonly port: number
  isListed: boolean
}

/** Five server processes, and one file as the registry. */
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

  /** Kills a server. It stays listed, like an instance whose lease has not ended. */
  kill(index: number): void {
    this.#of(index).process.kill('SIGKILL')
  }

  /** Restarts a server on its port. */
  async restart(index: number): Promise<void> {
    const server = this.#of(index)
    if (server.process.exitCode === null && server.process.signalCode === null) await once(server.process, 'exit')
    server.process = forkServer(server.port)
    await once(server.process, 'message')
  }

  /** Tells a server to end after its responses. */
  drain(index: number): void {
    this.#of(index).process.kill('SIGTERM')
  }

  /** Stops a process, which then accepts connections but never responds. */
  stop(index: number): void {
    this.#of(index).process.kill('SIGSTOP')
  }

  /** Stops a process with a full backlog, as if packets to it were dropped. */
  blackHole(index: number): void {
    const { port } = this.#of(index)
    this.stop(index)
    this.#fillers = Array.from({ length: fillers }, () => connect({ port, host: '127.0.0.1' }).on('error', () => {}))
  }

  /** Resumes a process. */
  proceed(index: number): void {
    for (const socket of this.#fillers) socket.destroy()
    this.#fillers = []
    this.#of(index).process.kill('SIGCONT')
  }

  /** Makes a server slower by a factor, or makes its requests fail. */
  configure(index: number, message: { readonly factor?: number; readonly fails?: boolean }): void {
    const { process } = this.#of(index)
    if (process.connected) process.send(message)
  }

  /** Adds a server to the list, or removes it. */
  async list(index: number, isListed: boolean): Promise<void> {
    this.#of(index).isListed = isListed
    await this.#publish()
  }

  /** Kills all servers. */
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
