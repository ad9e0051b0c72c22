import type { Suite } from '../list.ts'
import { exclusions, outOfScope } from './reasons.ts'
import { findFiles, runFile } from './run.ts'

/** undici's own tests. All requests of its classes go through `client.dispatcher`. */
export const undiciSuite: Suite = {
  name: 'undici',
  variable: 'SD_UNDICI',
  findFiles,
  runFile,
  outOfScope,
  exclusions,
}
