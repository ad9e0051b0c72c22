import { randomUUID } from 'node:crypto'
import { rename, rm, writeFile } from 'node:fs/promises'
import { invalidError, toSdError } from '@sd/core'
import type { ReadCommand } from '../command.ts'
import { readContexts, readText } from '../contexts/contexts-file.ts'
import { lines } from '../output/view.ts'

/** `sdctl contexts use <name>`: changes only the contexts file, and keeps its comments. */
export const contextsUse: ReadCommand = {
  isLocal: true,
  arguments: [{ name: 'name', description: 'name of the context' }],
  async run(context) {
    const { path, contexts } = await readContexts(context.env)
    const name = context.argument('name')
    if (!contexts.some((one) => one.name === name))
      throw invalidError(
        'name',
        name,
        contexts.map((one) => one.name).join(', ') || `a context in ${path || 'the contexts file'}`,
      )
    await replaceFile(path, await setCurrent((await readText(path)) ?? '', name))
    return { data: { path, current: name }, view: [lines(`The current context is ${name}.`)] }
  },
}

/** Changes only this value: comments and the style of the file stay. */
async function setCurrent(text: string, name: string): Promise<string> {
  const { isScalar, parseDocument } = await import('yaml')
  const value = JSON.stringify(name)
  const known = parseDocument(text).get('current', true)
  if (!isScalar(known) || !known.range) return `current: ${value}\n${text}`
  const [start, end] = known.range
  return `${text.slice(0, start)}${value}${text.slice(end)}`
}

/** In one step: a reader never sees half of a file. Only its owner may read it, because URLs may contain credentials. */
async function replaceFile(path: string, text: string): Promise<void> {
  const next = `${path}.${randomUUID()}`
  try {
    await writeFile(next, text, { mode: 0o600 })
    await rename(next, path)
  } catch (error) {
    await rm(next, { force: true })
    throw toSdError(error, 'SD_DENIED', `${path} can't be written`)
  }
}
