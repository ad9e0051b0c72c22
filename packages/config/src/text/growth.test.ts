import type { ConfigFormat } from '@sd/core'
import { expect, test } from 'vitest'
import { parseText } from './parse.ts'

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
  for (let run = 0; run < 3; run++) {
    const startedAt = process.cpuUsage()
    parseText({ content: text, format, key: 'key', isRelaxed: true, keepNewline: false })
    const { user, system } = process.cpuUsage(startedAt)
    shortestMs = Math.min(shortestMs, (user + system) / 1_000)
  }
  return shortestMs
}

// Measures CPU time of this process, which other processes don't affect, for eight times the text: linear growth takes eight
// times as long, quadratic growth 64 times. Times below the noise of clock and garbage collector are not compared.
test.each(Object.entries(texts))(
  'eight times the %s take about eight times as long',
  { timeout: 120_000 },
  (_, [format, make]) => {
    const [small, large] = [make(6_000), make(48_000)]
    const [smallMs, largeMs] = [shortest(small, format), shortest(large, format)]
    expect(largeMs).toBeLessThan(24 * Math.max(smallMs, 4))
  },
)
