import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'

/** How the process of an edge is configured. */
export interface EdgeOptions {
  /** Serves with `node:http2` alone instead of the gateway. @default false */
  readonly isBare?: boolean
  /** @default clear text */
  readonly certificate?: { readonly cert: string; readonly key: string }
}

/** What the process of an edge reports. */
export interface EdgeReport {
  readonly port: number
  /** Resident memory now, and the most since the last report, in bytes. */
  readonly rss: number
  readonly peakRss: number
}

/** Those that the README of the server recommends; otherwise the memory mostly shows how late V8 collects. */
const flags = ['--expose-gc', '--max-semi-space-size=4', '--single-threaded-gc']

/** A gateway with a service behind it, in a process of its own. */
export class Edge {
  readonly port: number
  readonly #child: ChildProcess

  private constructor(child: ChildProcess, port: number) {
    this.#child = child
    this.port = port
  }

  static async start(options: EdgeOptions = {}): Promise<Edge> {
    const child = fork(new URL('./edge-process.ts', import.meta.url), [JSON.stringify(options)], { execArgv: flags })
    const [{ port }] = (await once(child, 'message')) as [EdgeReport]
    return new Edge(child, port)
  }

  /** Memory of the process. The next peak begins with it. */
  async report(): Promise<EdgeReport> {
    const answer = once(this.#child, 'message')
    this.#child.send('report')
    const [report] = (await answer) as [EdgeReport]
    return report
  }

  async stop(): Promise<void> {
    const exit = once(this.#child, 'exit')
    this.#child.kill()
    await exit
  }
}
