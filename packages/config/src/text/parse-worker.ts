import { parentPort } from 'node:worker_threads'
import { parseText, type TextToParse } from './parse.ts'
import { TextError } from './text-error.ts'
import type { TextTree } from './text-tree.ts'

/** Result of the worker for one text. */
export type ParseResult =
  | { readonly kind: 'ready' }
  | { readonly kind: 'read'; readonly text: TextTree }
  | { readonly kind: 'refused'; readonly reason: string; readonly line: number | undefined; readonly column: number | undefined }

function parse(text: TextToParse): ParseResult {
  try {
    return { kind: 'read', text: parseText(text) }
  } catch (error) {
    const { message, line, column } = error instanceof TextError ? error : new TextError("can't be read")
    return { kind: 'refused', reason: message, line, column }
  }
}

parentPort?.on('message', (text: TextToParse) => parentPort?.postMessage(parse(text)))
parentPort?.postMessage({ kind: 'ready' } satisfies ParseResult)
