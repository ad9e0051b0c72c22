import type { ConfigFormat } from '@sd/core'
import { parseText } from '../text/parse.ts'

// A program that measures the CPU time of parsing, for growth.test.ts. Without coverage, which makes parsing ten times slower.

const lines = (count: number, line: (index: number) => string): string =>
  Array.from({ length: count }, (_, index) => line(index)).join('\n')

/** Texts with n values each, by the part that repeats. */
const texts: Readonly<Record<string, readonly [ConfigFormat, (count: number) => string]>> = {
  'JSON keys': ['json', (n) => `{${lines(n, (i) => `"k${i}":1${i === n - 1 ? '' : ','}`)}}`],
  'JSON items': ['json', (n) => `{"a":[${'[],'.repeat(n)}0]}`],
  'JSON escapes': ['json', (n) => `{"a":"${'\\n'.repeat(n * 8)}"}`],
  'YAML keys': ['yaml', (n) => lines(n, (i) => `k${i}: v`)],
  'YAML keys in braces': ['yaml', (n) => `{${lines(n, (i) => `k${i}: 1,`)}}`],
  'YAML items': ['yaml', (n) => `a:\n${lines(n, () => '  - x')}`],
  'YAML maps': ['yaml', (n) => lines(n / 4, (i) => `m${i}:\n  a: 1\n  b: { c: 2 }`)],
  'YAML comments': ['yaml', (n) => `${'# x\n'.repeat(n * 2)}a: 1`],
  'TOML keys': ['toml', (n) => lines(n, (i) => `k${i} = 1`)],
  'TOML tables': ['toml', (n) => lines(n / 2, (i) => `[t${i}]\nx = 1`)],
  'TOML lists of tables': ['toml', (n) => '[[a]]\nx = 1\n'.repeat(n / 2)],
  '.properties keys': ['properties', (n) => lines(n, (i) => `k${i}=v`)],
  '.properties paths': ['properties', (n) => lines(n, (i) => `a${i % 100}.b${i}.c=v`)],
  '.properties items': ['properties', (n) => lines(n, (i) => `a[${i}]=v`)],
  '.properties continuations': ['properties', (n) => `a=${'x\\\n'.repeat(n * 2)}`.replace(/\\\n$/, '')],
  '.properties escapes': ['properties', (n) => `a=${'\\\\'.repeat(n * 4)}`],
  '.env names': ['env', (n) => lines(n, (i) => `K${i}=v`)],
  '.env quotes': ['env', (n) => lines(n, (i) => `K${i}="v\n"`)],
}

function shortest(text: string, format: ConfigFormat): number {
  let shortestMs = Number.POSITIVE_INFINITY
  for (let run = 0; run < 2; run++) {
    const startedAt = process.cpuUsage()
    parseText({ content: text, format, key: 'key', isRelaxed: true, keepNewline: false })
    const { user, system } = process.cpuUsage(startedAt)
    shortestMs = Math.min(shortestMs, (user + system) / 1_000)
  }
  return shortestMs
}

// Each text, and one with eight times the values.
const results = Object.entries(texts).map(([name, [format, make]]) => {
  const [smallMs, largeMs] = [shortest(make(3_000), format), shortest(make(24_000), format)]
  return { name, smallMs, largeMs }
})
process.stdout.write(JSON.stringify(results))
