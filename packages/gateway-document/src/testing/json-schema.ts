import { documentRule } from '../rules/document-rules.ts'
import type { JsonSchema } from '../rules/rule.ts'

/** The content of schema.json, which editors use. */
export function createJsonSchema(): JsonSchema {
  return { $schema: 'http://json-schema.org/draft-07/schema#', title: 'Document of sd-gateway', ...documentRule.schema }
}
