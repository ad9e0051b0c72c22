import { readFile, writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { describeThrown, SdError, toSdError } from '@sd/core'
import type { ReadCommand } from '../command.ts'
import { cleanText } from '../output/clean-text.ts'
import { lines, source, styled } from '../output/view.ts'

/** `sdctl generate client <file>`: a typed client of a service, for `@sd/operations`. */
export const generateClient: ReadCommand = {
  isLocal: true,
  arguments: [{ name: 'file', description: 'an OpenAPI 3.0 or 3.1 document, in JSON or YAML' }],
  options: [
    { flags: '--service <name>', description: 'name under which the service is registered', isRequired: true },
    { flags: '--export <name>', description: 'name of the export; that of the service in camel case otherwise' },
    { flags: '--out <file>', description: 'writes a file, which must not exist, instead of printing' },
  ],
  async run(context) {
    const file = context.argument('file')
    const service = context.option('service') ?? ''
    const exportName = context.option('export')
    const document = await readDocument(resolve(context.cwd, file))
    const { generateServiceClient } = await import('@sd/operations')
    const { code, warnings } = generateServiceClient(document, { service, ...(exportName !== undefined && { exportName }) })
    const out = context.option('out')
    if (out === undefined) {
      // As comments, so that what is printed is a module.
      const comments = warnings.map((warning) => `// ${cleanText(warning)}\n`).join('')
      return { data: { service, warnings, code }, view: [source(comments + code)] }
    }
    await writeNew(resolve(context.cwd, out), code)
    return {
      data: { service, warnings, file: out },
      view: [lines(...warnings.map((warning) => styled('yellow', warning)), `${out} was written.`)],
    }
  },
}

/** JSON is YAML, but its own parser is quicker and has better messages. */
async function readDocument(path: string): Promise<unknown> {
  try {
    const text = await readFile(path, 'utf8')
    if (path.endsWith('.json')) return JSON.parse(text)
    return (await import('yaml')).parse(text, { maxAliasCount: 1_000 })
  } catch (error) {
    throw new SdError('SD_INVALID', `${path} can't be read: ${describeThrown(error)}`, { cause: error, field: 'file' })
  }
}

async function writeNew(path: string, text: string): Promise<void> {
  try {
    await writeFile(path, text, { flag: 'wx' })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') throw new SdError('SD_CONFLICT', `${path} exists already`)
    throw toSdError(error, 'SD_INVALID', `${path} can't be written`)
  }
}
