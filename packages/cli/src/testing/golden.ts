import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'

/**
 * Compares an output with its file in `golden/`, where `␛` stands for an escape. `SD_WRITE_GOLDEN=1` writes the files again: read the
 * difference before you commit it.
 */
export function expectGolden(name: string, output: string): void {
  const file = fileURLToPath(new URL(`golden/${name}.txt`, import.meta.url))
  const text = output.replaceAll('\u001b', '␛')
  if (process.env['SD_WRITE_GOLDEN']) {
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, text)
  }
  expect(text).toBe(readFileSync(file, 'utf8'))
}
