import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { SdError } from '@sd/core'

/** Time limit of the program, in milliseconds: it may ask a person. */
const timeoutMs = 30_000
const largestToken = 8_192

/**
 * Creates the function that reads the token of admin endpoints: what the program of the context prints, which runs once and
 * without a shell, else `SD_ADMIN_TOKEN`.
 *
 * @throws SdError the function throws `SD_DENIED` if the program fails; the message has none of its output
 */
export function createTokenReader(
  program: readonly string[] | undefined,
  env: Readonly<Record<string, string | undefined>>,
): () => Promise<string | undefined> {
  let token: Promise<string | undefined> | undefined
  return () => {
    token ??= program ? runProgram(program, env) : Promise.resolve(env['SD_ADMIN_TOKEN'] || undefined)
    return token
  }
}

async function runProgram([file = '', ...words]: readonly string[], env: NodeJS.ProcessEnv): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)(file, words, { env, timeout: timeoutMs, maxBuffer: largestToken })
    return stdout.trim()
  } catch {
    throw new SdError('SD_DENIED', `The program ${file} of adminToken failed`)
  }
}
