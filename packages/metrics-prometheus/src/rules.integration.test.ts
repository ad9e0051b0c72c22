import { basename } from 'node:path'
import { obtainServer, runPromtool } from '@sd/test-servers'
import { describe, expect, test } from 'vitest'
import { packageFolder, ruleFiles } from './testing/rules.ts'

const source = await obtainServer('prometheus', { own: true })

describe.runIf(source)('promtool', () => {
  test('accepts the rules', async () => {
    if (!source) return
    const output = await runPromtool(source, packageFolder, ['check', 'rules', ...ruleFiles])
    expect(output.match(/SUCCESS/g)).toHaveLength(ruleFiles.length)
  })

  test.each(ruleFiles)('has each alert of %s fire and stay quiet as its tests say', async (file) => {
    if (!source) return
    const output = await runPromtool(source, packageFolder, ['test', 'rules', `src/testing/rule-tests/${basename(file)}`])
    expect(output).toContain('SUCCESS')
  })
})
