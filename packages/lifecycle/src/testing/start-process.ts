import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { eventually } from '@sd/testing'

const program = fileURLToPath(new URL('./server-process.ts', import.meta.url))

/** A running process of server-process.ts. */
export interface ServerProcess {
  readonly child: ChildProcess
  /** Its stdout, without ports and requests. */
  readonly lines: readonly string[]
  /** Its stderr. */
  readonly errors: readonly string[]
  /** Its exit code and signal, once it has ended and all output was read. */
  readonly exited: Promise<unknown[]>
  /** Sends a request. Resolves with the body, or with `cut`. */
  get(path: string, server?: number): Promise<string>
  /** Sends a request, and resolves once the server has it. */
  begin(path: string, server?: number): Promise<{ readonly ended: Promise<string> }>
  /** Resolves once it has printed this line. */
  says(line: string): Promise<void>
}

/** Options of {@link startProcess}. */
export interface ServerProcessOptions {
  /** Name of the scene in server-process.ts. @default 'plain' */
  readonly scene?: string
  /** Number of servers whose ports it prints. @default 1 */
  readonly servers?: number
  /** Command that runs it. @default this Node */
  readonly command?: readonly string[]
  /** Additional environment variables. */
  readonly env?: Readonly<Record<string, string>>
}

/** Starts a process, and waits until it listens. */
export async function startProcess(options: ServerProcessOptions = {}): Promise<ServerProcess> {
  const { scene = 'plain', servers = 1, command = [process.execPath], env = {} } = options
  const [file = '', ...args] = [...command, program]
  const child = spawn(file, args, { env: { ...process.env, SCENE: scene, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  const [ports, requests, lines, errors]: [string[], string[], string[], string[]] = [[], [], [], []]
  createInterface({ input: child.stdout }).on('line', (line) => {
    const kind = line.startsWith('port ') ? ports : line.startsWith('request ') ? requests : lines
    kind.push(line)
  })
  createInterface({ input: child.stderr }).on('line', (line) => errors.push(line))
  const exited = once(child, 'close')

  /** Waits until it has printed something. The error shows its output if it never does. */
  const printed = (isPrinted: () => boolean): Promise<void> =>
    eventually(() => {
      if (!isPrinted()) throw new Error(`It printed ${JSON.stringify([...lines, ...errors])}`)
    }, 20_000)
  const get = (path: string, server = 0): Promise<string> =>
    fetch(`http://127.0.0.1:${ports[server]?.slice(5)}${path}`).then(
      (response) => response.text(),
      () => 'cut',
    )

  await printed(() => ports.length === servers)
  return {
    child,
    lines,
    errors,
    exited,
    get,
    async begin(path, server) {
      const before = requests.length
      const ended = get(path, server)
      await printed(() => requests.length > before)
      return { ended }
    },
    says: (line) => printed(() => lines.includes(line)),
  }
}
