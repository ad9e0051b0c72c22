import { SdError } from '@sd/core'
import type { StandardSchemaV1 } from '@standard-schema/spec'

/** Most problems of a value that a message names. */
const maxIssues = 5

/**
 * What a schema makes of an argument.
 *
 * @throws SdError `SD_INVALID` that names the field. No value is shown: messages of schemas may quote values, so secrets must not be in them
 */
export function checkArgument(field: string, schema: StandardSchemaV1, value: unknown): unknown {
  const result = schema['~standard'].validate(value)
  return result instanceof Promise ? result.then((one) => accept(field, one)) : accept(field, result)
}

function accept(field: string, { issues, ...rest }: StandardSchemaV1.Result<unknown>): unknown {
  if (!issues) return (rest as { readonly value: unknown }).value
  const first = issues[0]
  const path = [field, ...toKeys(first)].join('.')
  throw new SdError('SD_INVALID', `Invalid ${field}: ${describeIssues(issues)}`, { field: path, cause: issues })
}

/**
 * What a schema makes of a value that was received.
 *
 * @param what the value, as the subject of the message
 * @throws SdError `SD_MALFORMED` with the paths of what does not fit
 */
export async function checkReceived(schema: StandardSchemaV1, value: unknown, what: string): Promise<unknown> {
  const result = await schema['~standard'].validate(value)
  if (!result.issues) return result.value
  throw new SdError('SD_MALFORMED', `${what}: ${describeIssues(result.issues)}`, { cause: result.issues })
}

/** Problems with their paths, the first five. */
function describeIssues(issues: readonly StandardSchemaV1.Issue[]): string {
  const lines = issues.slice(0, maxIssues).map((issue) => {
    const keys = toKeys(issue)
    return keys.length === 0 ? issue.message : `${keys.join('.')}: ${issue.message}`
  })
  return issues.length > maxIssues ? `${lines.join('; ')}; and ${issues.length - maxIssues} more` : lines.join('; ')
}

function toKeys(issue: StandardSchemaV1.Issue | undefined): readonly string[] {
  return (issue?.path ?? []).map((segment) => String(typeof segment === 'object' ? segment.key : segment))
}
