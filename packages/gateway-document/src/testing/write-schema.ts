// Writes schema.json again: node src/testing/write-schema.ts, then pnpm format.
import { writeFileSync } from 'node:fs'
import { createJsonSchema } from './json-schema.ts'

writeFileSync(new URL('../../schema.json', import.meta.url), JSON.stringify(createJsonSchema()))
