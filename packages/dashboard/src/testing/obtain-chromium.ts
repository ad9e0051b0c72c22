import { accessSync, appendFileSync, constants, mkdirSync } from 'node:fs'

/** Where Debian, Ubuntu, Fedora and macOS have Chromium or Chrome. */
const places: readonly string[] = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
]

/**
 * Finds Chromium: `SD_TEST_CHROMIUM`, or where systems have it. It is noted for the table at the end of `npm test`, as servers are.
 *
 * @returns `undefined` if there is none; the tests of the file are then not run
 * @throws Error with CI=true if there is none
 */
export function obtainChromium(): string | undefined {
  const { SD_TEST_CHROMIUM: given, CI } = process.env
  const found = (given ? [given] : places).find(isExecutable)
  mkdirSync('coverage', { recursive: true })
  const note = { server: 'chromium', ...(found !== undefined && { version: 'found' }) }
  appendFileSync('coverage/servers.ndjson', `${JSON.stringify(note)}\n`)
  if (found !== undefined) return found
  const message = 'NOT RUN: no Chromium. Install it with "apt-get install chromium", or set SD_TEST_CHROMIUM to its path.'
  if (CI === 'true') throw new Error(message)
  process.emitWarning(message)
  return undefined
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
