import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { describeThrown, invalidError, SdError } from '@sd/core'
import type { CommandContext } from '../command.ts'

const largestText = 1_048_576

/** Reads the text of a file, or of the standard input for `-`. @throws SdError `SD_INVALID`, `SD_TOO_LARGE` */
export async function readText(field: string, file: string, context: CommandContext): Promise<string> {
  const bytes = file === '-' ? await readInput(context) : await readBytes(field, file, context)
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw invalidError(field, file, 'a text in UTF-8')
  }
}

async function readBytes(field: string, file: string, { cwd, signal }: CommandContext): Promise<Uint8Array> {
  try {
    const bytes = await readFile(resolve(cwd, file), { signal })
    checkSize(bytes.length)
    return bytes
  } catch (error) {
    if (error instanceof SdError) throw error
    throw invalidError(field, describeThrown(error), 'a file that can be read, or -')
  }
}

async function readInput({ input, signal }: CommandContext): Promise<Uint8Array> {
  const stop = (): void => void (input as NodeJS.ReadableStream & { destroy?: () => void }).destroy?.()
  signal.addEventListener('abort', stop, { once: true })
  try {
    const parts: Uint8Array[] = []
    let size = 0
    for await (const part of input) {
      const bytes = typeof part === 'string' ? Buffer.from(part) : part
      size += bytes.length
      checkSize(size)
      parts.push(bytes)
    }
    return Buffer.concat(parts)
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

function checkSize(size: number): void {
  if (size > largestText) throw new SdError('SD_TOO_LARGE', `The text has more than ${largestText} bytes`)
}
