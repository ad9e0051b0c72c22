import { toSafeJson } from './clean-text.ts'

/** Version of the JSON output. Fields are added within a version; a field that changes or goes makes a new one. */
export const SCHEMA_VERSION = 1

/** What `--json` prints, one in each line. */
export type Envelope = {
  readonly schemaVersion: typeof SCHEMA_VERSION
  /** The command, such as `services ls`; empty if the command line names none. */
  readonly command: string
} & (
  | { readonly data: unknown }
  | { readonly error: { readonly code: string; readonly message: string; readonly field?: string } }
)

/** Writes the result of a command as one line of JSON. */
export function writeData(command: string, data: unknown): string {
  return `${toSafeJson({ schemaVersion: SCHEMA_VERSION, command, data } satisfies Envelope)}\n`
}

/** Writes an error as one line of JSON. */
export function writeError(
  command: string,
  { code, message, field }: { readonly code: string; readonly message: string; readonly field?: string },
): string {
  const error = { code, message, ...(field !== undefined && { field }) }
  return `${toSafeJson({ schemaVersion: SCHEMA_VERSION, command, error } satisfies Envelope)}\n`
}
