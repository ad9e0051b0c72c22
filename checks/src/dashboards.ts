import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { root, runCommand } from './gate.ts'

/** A panel of a dashboard, as far as its schema depends on its type. */
interface Panel {
  readonly id: number
  readonly type: string
  readonly options?: unknown
  readonly fieldConfig?: { readonly defaults?: { readonly custom?: unknown } }
}

/** Where Grafana's schema has the types of a panel's options, by the type of the panel. */
const panelSchemas: Readonly<Record<string, string>> = {
  timeseries: 'timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen',
}

// Below this package, from where the schema resolves.
const workFolder = join(root, 'checks/node_modules/.cache')

/**
 * Checks a dashboard against the schema that Grafana publishes as types: unknown and missing fields, and values that it does not
 * know.
 *
 * @param text the dashboard's JSON
 * @returns the problems, one for each line of the compiler
 */
export async function checkDashboard(text: string): Promise<readonly string[]> {
  const { panels } = JSON.parse(text) as { readonly panels: readonly Panel[] }
  const unknown = panels.filter(({ type }) => type !== 'row' && !Object.hasOwn(panelSchemas, type))
  if (unknown.length > 0) return unknown.map(({ id, type }) => `panel ${id}: no schema is known for the type ${type}`)
  await mkdir(workFolder, { recursive: true })
  const folder = await mkdtemp(join(workFolder, 'dashboard-'))
  try {
    await writeFile(join(folder, 'dashboard.ts'), renderProgram(text, panels))
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(compilerConfig))
    const { code, output } = await runCommand('tsc', ['-p', folder, '--pretty', 'false'])
    return code === 0 ? [] : output.trim().split('\n')
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

const compilerConfig = {
  extends: '../../../../tsconfig.base.json',
  compilerOptions: { noEmit: true, skipLibCheck: true, types: [], isolatedDeclarations: false },
  files: ['dashboard.ts'],
}

/** A program that compiles if the dashboard has the types of the schema. JSON has texts where the schema has members of enums. */
function renderProgram(text: string, panels: readonly Panel[]): string {
  const schema = '@grafana/schema/dist/esm/raw'
  const imports = Object.entries(panelSchemas).map(
    ([type, path]) => `import type * as ${type} from '${schema}/composable/${path}'`,
  )
  const parts = panels
    .filter(({ type }) => type !== 'row')
    .flatMap(({ id, type, options, fieldConfig }) => [
      `export const options${id}: Plain<${type}.Options> = ${JSON.stringify(options ?? {})}`,
      `export const field${id}: Plain<${type}.FieldConfig> = ${JSON.stringify(fieldConfig?.defaults?.custom ?? {})}`,
    ])
  return `import type { Dashboard } from '${schema}/dashboard/x/Dashboard_types.gen'
${imports.join('\n')}

type Plain<T> = T extends string
  ? \`\${T}\`
  : T extends readonly (infer Item)[]
    ? Plain<Item>[]
    : T extends object
      ? { [Key in keyof T]: Plain<T[Key]> }
      : T

export const dashboard: Plain<Dashboard> = ${text}
${parts.join('\n')}
`
}
