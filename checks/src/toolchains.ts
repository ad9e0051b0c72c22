import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type GateResult, root, runCommand } from './gate.ts'
import { installRuntimes, withOwnDependencies } from './install.ts'
import { tarballOf } from './tarballs.ts'
import type { Package } from './workspace.ts'

// Tests the table in docs/guides/commonjs-jest-typescript.md: cases that work are run here, and others must fail with the stated text.

const tools = ['typescript54@npm:typescript@5.4.5', 'typescript59@npm:typescript@5.9.3', 'jest@30.5.2', 'tsx@4.23.15']
const folders = ['core', 'registry-memory', 'balancer-round-robin', 'discovery', 'client']

const body = `
async function main() {
  const server = createServer((request, response) => void response.end('hello'))
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)))
  const registry = createMemoryRegistry()
  await registry.register({ service: 'orders', address: '127.0.0.1', port: (server.address() as { port: number }).port })
  const discovery = createDiscovery({ source: registry })
  const client = createServiceClient({ discovery, balancer: createRoundRobinBalancer() })
  const text = await (await client.get('orders', '/')).text()
  if (text !== 'hello') throw new Error('wrong response: ' + text)
  await client.close()
  await discovery.close()
  await registry.close()
  server.close()
}
`
const imports: Readonly<Record<string, string>> = {
  createServer: 'node:http',
  createRoundRobinBalancer: '@sd/balancer-round-robin',
  createServiceClient: '@sd/client',
  createDiscovery: '@sd/discovery',
  createMemoryRegistry: '@sd/registry-memory',
}
const names = Object.entries(imports)
const asImports = names.map(([name, from]) => `import { ${name} } from '${from}'`).join('\n')
const asRequires = names.map(([name, from]) => `const { ${name} } = require('${from}')`).join('\n')
const untyped = body.replace(' as { port: number }', '')

const files: Readonly<Record<string, string>> = {
  'package.json': JSON.stringify({ name: 'user', private: true, type: 'commonjs' }),
  'program.ts': `${asImports}\n${body}\nvoid main()\n`,
  'program.cjs': `${asRequires}\n${untyped}\nvoid main()\n`,
  'program.mjs': `${asImports}\n${untyped}\nawait main()\n`,
  'program.test.js': `${asRequires}\n${untyped}\ntest('a call', main)\n`,
  'core.mjs': "import '@sd/core'\n",
  'client.mjs': "import '@sd/client'\n",
  'jest.config.js': 'module.exports = {}\n',
}

interface Case {
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
  /** If set, the case must fail with this text. */
  readonly failsWith?: string
}

function compile(version: '54' | '59', module: string, resolution: string): readonly string[] {
  const script = join('node_modules', `typescript${version}`, 'bin', 'tsc')
  const types = ['--types', 'node', '--typeRoots', join(root, 'node_modules/@types')]
  const output = ['--outDir', `out${version}`, '--target', 'es2022', '--lib', 'es2023,esnext.disposable', '--strict']
  return [script, 'program.ts', '--module', module, '--moduleResolution', resolution, ...output, ...types]
}

function listCases(binaries: Readonly<Record<string, string>>): readonly Case[] {
  const { node20 = '', node22 = '', node24 = '', node26 = '', bun = '', deno = '' } = binaries
  const bin = (name: string): string => join('node_modules', '.bin', name)
  const jest = join('node_modules', 'jest', 'bin', 'jest.js')
  return [
    ...[node22, node24, node26].map((command) => ({ name: `require() on ${command}`, command, args: ['program.cjs'] })),
    ...(['54', '59'] as const).flatMap((version) => [
      { name: `TypeScript ${version}, node10`, command: node24, args: compile(version, 'commonjs', 'node10') },
      { name: `the program of TypeScript ${version}`, command: node24, args: [join(`out${version}`, 'program.js')] },
      { name: `TypeScript ${version}, bundler`, command: node24, args: compile(version, 'esnext', 'bundler') },
    ]),
    { name: 'TypeScript 59, nodenext in CommonJS', command: node24, args: compile('59', 'nodenext', 'nodenext') },
    { name: 'TypeScript 54, the same', command: node24, args: compile('54', 'nodenext', 'nodenext'), failsWith: 'TS1479' },
    { name: 'Bun', command: bun, args: ['program.cjs'] },
    { name: 'tsx', command: node24, args: [bin('tsx'), 'program.ts'] },
    { name: 'Deno', command: deno, args: ['run', '--allow-all', '--no-lock', 'program.mjs'] },
    { name: 'jest with vm modules', command: node24, args: ['--experimental-vm-modules', jest] },
    { name: 'jest without', command: node24, args: [jest], failsWith: 'Must use import to load ES Module' },
    ...['core', 'client'].map((name) => ({
      name: `Node 20, ${name}`,
      command: node20,
      args: [`${name}.mjs`],
      failsWith: 'is too old for the @sd packages: they need Node 22.19 or newer',
    })),
  ]
}

/** Installs packed packages into a CommonJS project, and uses them with common compilers, runners and runtimes. */
export async function checkToolchains(packages: readonly Package[]): Promise<GateResult> {
  const binaries = await installRuntimes(['node20', 'node22', 'node24', 'node26', 'bun', 'deno'])
  const project = await mkdtemp(join(tmpdir(), 'sd-toolchains-'))
  for (const [file, text] of Object.entries(files)) await writeFile(join(project, file), text)
  const tarballs = withOwnDependencies(packages, folders).map(tarballOf)
  const installed = await runCommand('npm', ['install', '--no-audit', '--no-fund', ...tarballs, ...tools], { cwd: project })
  if (installed.code !== 0) throw new Error(`npm install failed:\n${installed.output}`)
  const problems: string[] = []
  const cases = listCases(binaries)
  for (const { name, command, args, failsWith } of cases) {
    const { code, output } = await runCommand(command, args, { cwd: project, timeoutMs: 120_000 })
    const isRight = failsWith === undefined ? code === 0 : code !== 0 && output.includes(failsWith)
    if (!isRight)
      problems.push(`${name}: exited with ${code}${failsWith ? `, want a failure with "${failsWith}"` : ''}:\n${output}`)
  }
  await rm(project, { recursive: true })
  return { passed: cases.length - problems.length, problems }
}
