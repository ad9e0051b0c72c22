import { execFile } from 'node:child_process'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { libraryPath } from './library-path.ts'
import type { ServerSource } from './sources.ts'

const run = promisify(execFile)

/**
 * Runs promtool, which comes with Prometheus.
 *
 * @param folder its working folder
 * @returns its output
 * @throws Error with its output if it reports a problem
 */
export async function runPromtool(source: ServerSource, folder: string, args: readonly string[]): Promise<string> {
  if (source.kind === 'address') throw new Error('promtool needs a Prometheus that is installed here, not an address')
  const [command, given] =
    source.kind === 'binary'
      ? [join(dirname(source.path), 'promtool'), args]
      : [
          source.engine,
          [
            'run',
            '--rm',
            '--volume',
            `${folder}:${folder}`,
            '--workdir',
            folder,
            '--entrypoint',
            'promtool',
            source.image,
            ...args,
          ],
        ]
  const env = { ...process.env, ...libraryPath(source) }
  try {
    const { stdout } = await run(command, given, { cwd: folder, env, timeout: 60_000 })
    return stdout
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { readonly stdout?: string; readonly stderr?: string }
    throw new Error(`promtool ${args.join(' ')} failed:\n${stdout}${stderr}`, { cause: error })
  }
}
