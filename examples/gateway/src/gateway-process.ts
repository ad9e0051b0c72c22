import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

/** A line of the gateway's log. */
export interface LogLine {
  readonly event: string
  readonly message?: string
  readonly listeners?: readonly { readonly port: number }[]
  readonly observe?: string
}

/** The program `sd-gateway run`. */
export interface GatewayProcess {
  /** Address of its listener. */
  readonly url: string
  /** Address of metrics and health. */
  readonly observe: string
  /** Waits for an event that is logged from now on. */
  next(event: string): Promise<LogLine>
  /** Sends SIGTERM, and resolves with the exit code. */
  end(): Promise<number | null>
  /** Ends it at once. */
  kill(): void
}

/** Longest wait for the gateway, in milliseconds: a slow machine must not fail a check. */
const waitMs = 60_000

const bin = fileURLToPath(new URL('./bin.ts', import.meta.resolve('@sd/gateway-server')))

/** The program is TypeScript here: stripping its types takes most of the time until it serves. */
const compileCache = fileURLToPath(new URL('../node_modules/.cache/compile', import.meta.url))

/** Starts `sd-gateway run gateway.yaml` in a folder, and waits until it serves. */
export async function startGatewayProcess(folder: string, showLog: (line: string) => void): Promise<GatewayProcess> {
  const child = spawn(process.execPath, [bin, 'run', 'gateway.yaml'], {
    cwd: folder,
    env: { ...process.env, NODE_COMPILE_CACHE: compileCache },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const exited = once(child, 'exit').then(([code]) => code as number | null)
  const lines: LogLine[] = []
  let rest = ''
  child.stderr.on('data', (chunk: Buffer) => {
    const complete = `${rest}${chunk}`.split('\n')
    rest = complete.pop() ?? ''
    for (const line of complete) {
      showLog(line)
      lines.push(line.startsWith('{') ? (JSON.parse(line) as LogLine) : { event: 'text', message: line })
    }
  })

  async function until(event: string, from: number): Promise<LogLine> {
    for (const end = performance.now() + waitMs; performance.now() < end; await delay(10)) {
      const found = lines.slice(from).find((line) => line.event === event)
      if (found) return found
      if (child.exitCode !== null) break
    }
    throw new Error(`The gateway has not logged ${event}: ${JSON.stringify(lines.slice(-3))}`)
  }

  const { listeners = [], observe = '' } = await until('started', 0)
  return {
    url: `http://127.0.0.1:${listeners[0]?.port}`,
    observe,
    next: (event) => until(event, lines.length),
    end() {
      child.kill('SIGTERM')
      return exited
    },
    kill: () => void child.kill('SIGKILL'),
  }
}
