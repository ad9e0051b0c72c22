import { writeFileSync } from 'node:fs'
import { errorTablePath, renderErrorTable } from './error-codes.ts'
import { readPackages } from './workspace.ts'

// Writes docs/errors.md from the code.

writeFileSync(errorTablePath, renderErrorTable(readPackages()))
