import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { checkDashboard } from './dashboards.ts'
import { root } from './gate.ts'

const files = globSync('packages/*/dashboard*.json', { cwd: root })
const [file = ''] = files
const text = readFileSync(join(root, file), 'utf8')

test.each(files)('%s has the schema of Grafana', async (path) => {
  expect(await checkDashboard(readFileSync(join(root, path), 'utf8'))).toEqual([])
})

test.each([
  ['a field of the dashboard that Grafana does not know', '"timezone":', '"timeZone":'],
  ['a field of a panel', '"description":', '"descripton":'],
  ['a value of an option', '"displayMode": "list"', '"displayMode": "tabel"'],
  ['a missing field of an option', '"showLegend": true', '"isVisible": true'],
  ['a field of the style', '"lineWidth":', '"linewidth":'],
  ['a type of a value', '"h": 8', '"h": "8"'],
  ['a type of a panel', '"type": "timeseries"', '"type": "timeserie"'],
])('%s is a problem', async (_, from, to) => {
  expect(text).toContain(from)
  expect((await checkDashboard(text.replace(from, to))).length).toBeGreaterThan(0)
})
