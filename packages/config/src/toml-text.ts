import { parse, TomlError } from 'smol-toml'
import { TextError } from './text-error.ts'

/** Reads TOML. @throws TextError with the place */
export function parseToml(text: string): unknown {
  try {
    return parse(text)
  } catch (error) {
    if (!(error instanceof TomlError)) throw new TextError('is no valid TOML')
    // What follows the first line of the message is the text itself.
    const reason = error.message.split('\n', 1)[0]?.replace('Invalid TOML document: ', '')
    throw new TextError(`is no valid TOML: ${reason}`, error.line, error.column)
  }
}

/** Lines of the values of a TOML text, by path, from 1: of those that stand in lines `key = value` under a `[table]`, without quotes. */
export function tomlLines(text: string): (keys: readonly string[]) => number | undefined {
  const lines = new Map<string, number>()
  let table = ''
  for (const [index, line] of text.split('\n').entries()) {
    const header = /^\s*\[\s*([\w.-]+)\s*\]/.exec(line)?.[1]
    if (header !== undefined) table = `${header}.`
    const key = header ?? /^\s*([\w.-]+)\s*=/.exec(line)?.[1]
    if (key === undefined) continue
    const path = header ?? `${table}${key}`
    if (!lines.has(path)) lines.set(path, index + 1)
  }
  return (keys) => lines.get(keys.join('.'))
}
