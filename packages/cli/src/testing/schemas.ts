import { globSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { expect } from 'vitest'

const folder = fileURLToPath(new URL('../../schemas/', import.meta.url))

/** Names of the schema files, without `.json`. */
export const schemaNames: readonly string[] = globSync('*.json', { cwd: folder }).map((file) => file.replace('.json', ''))

const ajv = new Ajv2020({ strict: true, strictRequired: false, allowUnionTypes: true })
for (const name of schemaNames) ajv.addSchema(closed(JSON.parse(readFileSync(`${folder}${name}.json`, 'utf8'))) as object)

/** Names of commands whose output was compared with its schema. */
export const comparedCommands: Set<string> = new Set()

/** Compares a line of `--json` with the schemas. In a test no field is unknown. @returns the data */
export function expectSchema(line: string): Readonly<Record<string, unknown>> {
  const envelope = JSON.parse(line)
  expect(ajv.validate('envelope.json', envelope), ajv.errorsText()).toBe(true)
  if (!('data' in envelope)) return envelope.error
  expect(ajv.validate(`${envelope.command.replaceAll(' ', '-')}.json`, envelope.data), ajv.errorsText()).toBe(true)
  comparedCommands.add(envelope.command)
  return envelope.data
}

/** The same schema that accepts no other fields. Readers ignore these, so the files accept them. */
function closed(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(closed)
  if (typeof schema !== 'object' || schema === null) return schema
  const copy = Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, closed(value)]))
  return 'properties' in copy && copy['type'] === 'object' ? { ...copy, additionalProperties: false } : copy
}
