import { SdError } from '@sd/core'
import type { Problem } from './rules/rule.ts'

/** What is wrong with a document, and where. No message shows a secret. */
export interface DocumentProblem {
  /** Path of the value, such as `routes[0].match.path`; empty for the whole document. */
  readonly path: string
  /** Key of the entry, such as the name of the file, if known. */
  readonly key?: string | undefined
  /** Line, from 1, if known. */
  readonly line?: number | undefined
  /** The problem, as the predicate of a sentence. */
  readonly message: string
}

/** The error of a document that is refused. */
export interface GatewayDocumentError extends SdError {
  /** All problems that were found. */
  readonly problems: readonly DocumentProblem[]
}

/** Whether an error is a {@link GatewayDocumentError}. */
export function isGatewayDocumentError(error: unknown): error is GatewayDocumentError {
  return error instanceof SdError && 'problems' in error
}

/** Creates the error of a document that is refused. */
export function documentError(problems: readonly DocumentProblem[], cause?: unknown): GatewayDocumentError {
  const message = problems.map(describeProblem).join('; ')
  const field = problems[0]?.path
  const error = new SdError('SD_INVALID', message, { ...(field && { field }), ...(cause !== undefined && { cause }) })
  return Object.assign(error, { problems: Object.freeze([...problems]) })
}

/** Describes a problem in one line: `gateway.yaml:12: routes[0].name got 5, want a text`. */
export function describeProblem({ path, key, line, message }: DocumentProblem): string {
  const place = key === undefined ? '' : `${key}${line === undefined ? '' : `:${line}`}: `
  return `${place}${path || 'The document'} ${message}`
}

/** The problem as users see it. */
export function toDocumentProblem({ keys, message }: Problem): DocumentProblem {
  return { path: pathOf(keys), message }
}

/** The path of a value: `routes[0].match.path`. */
export function pathOf(keys: readonly string[]): string {
  return keys.map((key, index) => (/^\d+$/.test(key) ? `[${key}]` : index === 0 ? key : `.${key}`)).join('')
}

/** The keys of a path: the reverse of {@link pathOf}, for names without dots and brackets. */
export function keysOf(path: string): readonly string[] {
  return path.split(/[.[\]]+/).filter((key) => key !== '')
}
