import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Edge } from './edge.ts'
import { runProgram, type Suite } from './suite.ts'

/** The gateway and bare `node:http2` against h2spec. Every failure of the gateway must be in `h2spec.json`, with its reason. */
export const h2spec: Suite = {
  name: 'h2spec',
  needs: ['h2spec'],
  async run() {
    const bare = await runAgainst(true)
    const gateway = await runAgainst(false)
    console.log(`  bare node:http2: ${bare.passed} of ${bare.total}; gateway: ${gateway.passed} of ${gateway.total}`)
    const reasons = JSON.parse(await readFile(new URL('../h2spec.json', import.meta.url), 'utf8')) as Record<string, string>
    const problems = gateway.failed.filter((name) => reasons[name] === undefined).map((name) => `fails: ${name}`)
    if (gateway.passed < bare.passed) problems.push(`${gateway.passed} passed, bare node:http2 ${bare.passed}`)
    for (const name of Object.keys(reasons)) {
      if (!gateway.failed.includes(name)) console.log(`  passes now, and can leave h2spec.json: ${name}`)
    }
    return problems
  },
}

interface Outcome {
  readonly passed: number
  readonly total: number
  readonly failed: readonly string[]
}

async function runAgainst(isBare: boolean): Promise<Outcome> {
  const edge = await Edge.start({ isBare })
  const folder = await mkdtemp(join(tmpdir(), 'h2spec-'))
  try {
    const path = join(folder, 'junit.xml')
    await runProgram('h2spec', ['-h', '127.0.0.1', '-p', String(edge.port), '-o', '5', '-j', path])
    return readJunit(await readFile(path, 'utf8'))
  } finally {
    await edge.stop()
    await rm(folder, { recursive: true })
  }
}

function readJunit(xml: string): Outcome {
  const cases = [...xml.matchAll(/<testcase package="([^"]*)" classname="([^"]*)"[^>]*>(.*?)<\/testcase>/gs)]
  const nameOf = ([, section = '', text = '']: RegExpMatchArray) => `${section}: ${decodeEntities(text)}`
  const failed = cases.filter(([, , , body = '']) => body.includes('<failure') || body.includes('<error')).map(nameOf)
  const skipped = cases.filter(([, , , body = '']) => body.includes('<skipped')).length
  return { passed: cases.length - failed.length - skipped, total: cases.length, failed }
}

function decodeEntities(text: string): string {
  return text
    .replace(/&#(\d+);/g, (_, code) => String.fromCharCode(Number(code)))
    .replaceAll('&amp;', '&')
    .replaceAll('&quot;', '"')
}
