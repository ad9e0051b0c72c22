import { execFile } from 'node:child_process'
import { chmod, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { createMemoryRegistry } from '@sd/registry-memory'
import { freePort } from '@sd/test-servers'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { commandTable } from '../command-table.ts'
import { createExampleConfig } from '../testing/example-config.ts'
import { createExampleFleet } from '../testing/example-fleet.ts'
import { createExampleLock } from '../testing/example-lock.ts'
import { registerExamples } from '../testing/example-services.ts'
import { sdctl } from '../testing/run-sdctl.ts'
import { comparedCommands, expectSchema, schemaNames } from '../testing/schemas.ts'

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sd-cli-'))
})
afterAll(() => rm(folder, { recursive: true }))

async function examples() {
  const registry = createMemoryRegistry()
  onTestFinished(() => registry.close())
  return { memory: registry, now: await registerExamples(registry), cwd: folder, env: { SD_REGISTRY: 'memory:' } }
}

describe('migrate diff', () => {
  /** The same services as the examples, in a file. */
  const same = `services:
  orders:
    - { id: orders-0, address: 10.0.0.1, port: 8080, version: 1.0.0, locality: { region: eu-west-1, zone: eu-west-1a }, tags: [blue, 北京],
        metadata: { team: orders, apiToken: hidden-canary, owner: "ops\\e]0;title\\a\\u202egnp" } }
    - { id: orders-1, address: 10.0.0.2, port: 8080, version: 1.0.0, locality: { region: eu-west-1, zone: eu-west-1b }, tags: [blue, 北京],
        metadata: { team: orders, apiToken: hidden-canary, owner: "ops\\e]0;title\\a\\u202egnp" } }
    - { id: orders-2, address: 10.0.0.3, port: 8080, version: 1.1.0, locality: { region: eu-west-1, zone: eu-west-1c }, tags: [blue, 北京],
        metadata: { team: orders, apiToken: hidden-canary, owner: "ops\\e]0;title\\a\\u202egnp" } }
`
  async function compare(text: string, ...argv: string[]) {
    await writeFile(join(folder, 'services.yaml'), text)
    return sdctl(['migrate', 'diff', 'memory:', `static:${join(folder, 'services.yaml')}`, ...argv], await examples())
  }

  test('finds no difference between equal registries', async () => {
    const { code, out } = await compare(same, '--service', 'orders')
    expect(out).toContain('1 service the same, 0 different')
    expect(code).toBe(0)
  })

  test('lists what is missing and what differs, and masks secrets', async () => {
    const other = same
      .replace('id: orders-0', 'id: first')
      .replace('version: 1.1.0', 'version: 1.2.0')
      .replace('apiToken: hidden-canary', 'apiToken: other-canary')
      .replace(/.*id: orders-1[\s\S]*?\} \}\n/, '')
    const { code, out } = await compare(`${other}  mail:\n    - { address: 10.0.9.1, port: 25 }\n`, '--json')
    expect(code).toBe(1)
    expect(expectSchema(out)['services']).toEqual([
      { name: 'mail', from: 0, to: 1, differences: [{ id: '10.0.9.1:25', kind: 'only-to', to: '10.0.9.1:25' }] },
      {
        name: 'orders',
        from: 3,
        to: 2,
        differences: [
          { id: 'orders-0', kind: 'field', field: 'id', from: 'orders-0', to: 'first' },
          { id: 'orders-0', kind: 'field', field: 'metadata.apiToken', from: '***', to: '***' },
          { id: 'orders-1', kind: 'only-from', from: '10.0.0.2:8080' },
          { id: 'orders-2', kind: 'field', field: 'version', from: '1.1.0', to: '1.2.0' },
        ],
      },
      {
        name: 'stock',
        from: 2,
        to: 0,
        differences: [
          { id: 'stock-0', kind: 'only-from', from: '10.0.1.1:9000' },
          { id: 'stock-1', kind: 'only-from', from: '10.0.1.2:9000' },
        ],
      },
    ])
    const text = await compare(other)
    expect(text.out).toMatch(/^orders +orders-2 +version +1\.1\.0 +1\.2\.0$/m)
    expect(text.out).toMatch(/^stock +stock-0 +missing in the second +10\.0\.1\.1:9000$/m)
    expect(text.out + out).not.toContain('canary')
  })
})

describe('doctor', () => {
  test('finds everything in order', async () => {
    const { code, out } = await sdctl(['doctor'], await examples())
    expect(code).toBe(0)
    expect(out.replaceAll(/\d+ ms/g, 'N ms')).toBe(`✓ Node.js ${process.versions.node}
✓ no @sd packages are installed in this folder
✓ memory answers in N ms, can register instances; commands may only read it
✓ memory lists 2 services
! 5 of 5 instances have no admin endpoint: orders-0, orders-1, orders-2, stock-0, stock-1
  → docs/guides/command-line.md#processes
`)
  })

  test('finds what is wrong with processes, and says what to do', async () => {
    const { code, out } = await sdctl(['doctor'], { ...(await examples()), createFleet: () => createExampleFleet() })
    expect(code).toBe(1)
    for (const line of [
      '✓ 5 of 6 admin endpoints answered',
      '✗ the admin endpoint of mail-0 at http://10.0.0.1:9465 does not answer: connect ECONNREFUSED 10.0.9.1:9465',
      '! 2 of 6 instances have no admin endpoint: stock-0, stock-1',
      '! @sd/core 1.0.0 and @sd/core 1.2.0 in one process (shop-0): they work together, telemetry is from all',
      '! the clock of shop-0 is 4 s ahead of the one here',
      '! stock-1 of stock is unhealthy: no disk, and 1 more',
      '  → sdctl problems',
    ])
      expect(out).toContain(line)
  })

  test('looks at the configuration and the locks', async () => {
    const { config, historyStore } = await createExampleConfig()
    onTestFinished(() => config.close())
    const options = { ...(await examples()), config, historyStore, lockTypes: { example: { create: createExampleLock } } }
    const { out } = await sdctl(['doctor', '--config', 'memory:', '--lock', 'example:'], options)
    expect(out).toMatch(/✓ configuration memory answers in \d+ ms with 3 entries, can be written/)
    expect(out).toContain('✓ locks example answer, 2 are held')
    const { code, out: wrong } = await sdctl(['doctor', '--config', 'nothing:'], options)
    expect(code).toBe(1)
    expect(wrong).toContain('✗ SD_INVALID')
  })

  test('reports a registry that does not answer, and goes on', async () => {
    const url = `etcd://127.0.0.1:${await freePort()}`
    const { code, out } = await sdctl(['doctor', '--json', '--registry', url, '--timeout', '20s'], { cwd: folder })
    expect(code).toBe(1)
    expect(expectSchema(out)['findings']).toContainEqual({
      check: 'registry',
      level: 'problem',
      text: expect.stringMatching(/^SD_(?:UNAVAILABLE|TIMEOUT): /),
    })
  })

  test('says how to choose a registry, and which file has credentials that others may read', async () => {
    await mkdir(join(folder, 'sdctl'))
    const path = join(folder, 'sdctl', 'config.yaml')
    await writeFile(path, 'contexts: [{ name: a, registry: "etcd://root:secret@127.0.0.1:1" }]')
    await chmod(path, 0o644)
    const { code, out } = await sdctl(['doctor'], { cwd: folder, env: { XDG_CONFIG_HOME: folder } })
    expect(code).toBe(0)
    expect(out).toContain('! no registry is chosen\n  → sdctl doctor --registry consul://127.0.0.1:8500')
    expect(out).toContain(`! ${path} has credentials, and other users may read it\n  → chmod 600 ${path}`)
    expect(out).not.toContain('secret')
  })

  test('finds two copies of core in a project', async () => {
    const project = await mkdtemp(join(folder, 'project-'))
    const put = async (path: string, name: string, version: string): Promise<void> => {
      await mkdir(join(project, path), { recursive: true })
      await writeFile(join(project, path, 'package.json'), JSON.stringify({ name, version }))
    }
    await put('node_modules/@sd/core', '@sd/core', '1.0.0')
    await put('node_modules/@sd/client', '@sd/client', '1.0.0')
    await put('linked/config/node_modules/@sd/core', '@sd/core', '1.2.0')
    await put('linked/config', '@sd/config', '1.2.0')
    await symlink(join(project, 'linked/config'), join(project, 'node_modules/@sd/config'))
    await mkdir(join(project, 'src'))
    const { out } = await sdctl(['doctor'], { cwd: join(project, 'src') })
    expect(out).toContain('! 2 copies of @sd/core: 1.0.0 (client), 1.2.0 (config).')
    await rm(join(project, 'node_modules/@sd/config'))
    expect((await sdctl(['doctor'], { cwd: project })).out).toContain('✓ @sd/core 1.0.0, one copy')
  })
})

describe('generate client', () => {
  const document = {
    openapi: '3.1.0',
    paths: {
      '/stock/{id}': {
        get: {
          operationId: 'find',
          parameters: [{ name: 'x-tenant', in: 'header', schema: { type: 'string' } }],
          responses: { 200: { description: 'Found', content: { 'application/json': { schema: { type: 'string' } } } } },
        },
      },
    },
  }
  const yaml = `openapi: 3.1.0
paths:
  /stock/{id}:
    get:
      operationId: find
      responses: { 200: { description: Found, content: { application/json: { schema: { type: string } } } } }
`

  test('prints a module, with what it does not express as comments', async () => {
    await writeFile(join(folder, 'openapi.json'), JSON.stringify(document))
    const { code, out } = await sdctl(['generate', 'client', 'openapi.json', '--service', 'stock'], { cwd: folder })
    expect(code).toBe(0)
    expect(out).toMatch(/^\/\/ .*x-tenant/)
    expect(out).toContain("export const stock = defineServiceClient('stock', {")
  })

  test('writes a file that does not exist yet, also from YAML', async () => {
    await writeFile(join(folder, 'openapi.yaml'), yaml)
    const argv = ['generate', 'client', 'openapi.yaml', '--service', 'stock', '--export', 'inventory', '--out', 'stock.ts']
    const { code, out } = await sdctl([...argv, '--json'], { cwd: folder })
    expect(code).toBe(0)
    expect(expectSchema(out)).toEqual({ service: 'stock', warnings: [], file: 'stock.ts' })
    expect(await readFile(join(folder, 'stock.ts'), 'utf8')).toContain('export const inventory =')
    expect(await sdctl(argv, { cwd: folder })).toMatchObject({ code: 1, err: expect.stringContaining('exists already') })
    const elsewhere = [...argv.slice(0, -1), 'no/such/folder.ts']
    expect(await sdctl(elsewhere, { cwd: folder })).toMatchObject({ code: 2, err: expect.stringContaining("can't be written") })
  })

  test.each(['missing.json', 'broken.yaml'])('refuses %s', async (file) => {
    await writeFile(join(folder, 'broken.yaml'), 'a: [')
    const { code, err } = await sdctl(['generate', 'client', file, '--service', 'stock'], { cwd: folder })
    expect(code).toBe(2)
    expect(err).toContain(`${file} can't be read`)
  })
})

describe('completion', () => {
  async function complete(line: string): Promise<readonly string[]> {
    const { out } = await sdctl(['completion', 'bash'])
    const words = ['sdctl', ...line.split(' ')]
    const script = `${out}COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')})\nCOMP_CWORD=${words.length - 1}\n_sdctl\necho "\${COMPREPLY[*]}"`
    return (await promisify(execFile)('bash', ['-c', script])).stdout.trim().split(' ')
  }

  test('bash completes commands and options', async () => {
    expect(await complete('inst')).toEqual(['instances', 'instance'])
    expect(await complete('contexts ')).toEqual(expect.arrayContaining(['ls', 'show', 'use', '--json']))
    expect(await complete('--json instances orders --un')).toEqual(['--unhealthy'])
    expect(await complete('deregister stock stock-1 --re')).toEqual(['--reason', '--registry'])
    expect(await complete('services --rea')).toEqual([''])
  })

  test('zsh runs the same script, and fish has every command and option', async () => {
    const { out: bash } = await sdctl(['completion', 'bash'])
    expect((await sdctl(['completion', 'zsh'])).out).toContain(bash)
    const { out } = await sdctl(['completion', 'fish', '--json'])
    const { script } = expectSchema(out)
    for (const { name, summary } of commandTable) {
      expect(script).toContain(`-a ${name.split(' ').at(-1)} -d '${summary}'`)
    }
    expect(script).toContain("-n '__fish_seen_subcommand_from instances' -l unhealthy -d")
    expect(await sdctl(['completion', 'powershell'])).toMatchObject({ code: 2 })
  })
})

test('every command has a schema, and every schema is that of a command', () => {
  const names = commandTable.map(({ name }) => name.replaceAll(' ', '-'))
  expect([...names, 'definitions', 'envelope'].sort()).toEqual([...schemaNames].sort())
  expect(comparedCommands.size).toBeGreaterThan(0)
})
