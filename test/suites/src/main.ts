import { readFileSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { cacheTestsSuite } from './cache-tests/suite.ts'
import { compare, type FileResult, findReason, makeList, type Suite, type SuiteList } from './list.ts'
import { undiciSuite } from './undici/suite.ts'
import { wptSuite } from './wpt/suite.ts'

/** Runs a suite from its checkout: `node src/main.ts undici|wpt|cache-tests [--write] [part of a file's name]`. `--write` writes the list again. */
const [name, ...rest] = process.argv.slice(2)
const suite = [cacheTestsSuite, undiciSuite, wptSuite].find((one) => one.name === name)
const checkout = suite && process.env[suite.variable]
if (suite && checkout) process.exitCode = await run(suite, resolve(checkout))
else {
  const suites =
    'SD_UNDICI=<checkout> node src/main.ts undici | SD_WPT=<checkout> … wpt | SD_CACHE_TESTS=<checkout> … cache-tests'
  console.error(`usage: ${suites} [--write] [file]`)
  process.exitCode = 2
}

async function run(chosen: Suite, folder: string): Promise<number> {
  const write = rest.includes('--write')
  const part = rest.find((one) => !one.startsWith('--')) ?? ''
  const files = chosen.findFiles(folder)
  const inScope = files.filter((file) => file.includes(part) && findReason(chosen.outOfScope, file) === undefined)
  const stop = await chosen.start?.(folder)
  const results = new Map<string, FileResult>()
  const waiting = inScope.values()
  async function work(): Promise<void> {
    for (const file of waiting) {
      const result = await chosen.runFile(folder, file)
      results.set(file, result)
      const { tests, crash } = result
      const failed = [...tests.values()].filter((error) => error !== undefined).length
      console.log(`${file}: ${tests.size - failed} of ${tests.size}${crash ? `, ${crash}` : ''}`)
    }
  }
  await Promise.all([work(), work(), work()])
  await stop?.()
  const path = new URL(`../${chosen.name}.json`, import.meta.url)
  const list = write ? makeList(chosen, files, results) : (JSON.parse(readFileSync(path, 'utf8')) as SuiteList)
  if (write && part === '') writeFileSync(path, `${JSON.stringify(list, null, 2)}\n`)
  const problems = compare(list, results)
  for (const problem of problems) console.log(problem)
  const applied = count(list.applied)
  const excluded = Object.values(list.excluded).reduce((sum, tests) => sum + Object.keys(tests).length, 0)
  const share = ((100 * excluded) / (applied + excluded)).toFixed(1)
  console.log(`${chosen.name}: ${applied} applied, ${excluded} excluded (${share} %), ${problems.length} problems`)
  return problems.length === 0 ? 0 : 1
}

function count(lists: Record<string, readonly string[]>): number {
  return Object.values(lists).reduce((sum, { length }) => sum + length, 0)
}
