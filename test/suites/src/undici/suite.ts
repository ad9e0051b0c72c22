import type { Suite } from '../list.ts'
import { exclusions, outOfScope } from './reasons.ts'
import { findFiles, runFile } from './run.ts'

/** undici's own tests, with all that its classes send going through `client.dispatcher`. */
export const undiciSuite: Suite = {
  name: 'undici',
  variable: 'SD_UNDICI',
  findFiles,
  runFile,
  outOfScope,
  exclusions,
}
