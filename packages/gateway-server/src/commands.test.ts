import { describe, expect, test } from 'vitest'
import { main } from './main.ts'
import { writeTestFile } from './testing/server-process.ts'

async function runCommand(...args: readonly string[]) {
  let out = ''
  let err = ''
  const code = await main(args, {
    out: (text) => {
      out += text
    },
    err: (text) => {
      err += text
    },
  })
  return { code, out, err }
}

const valid = `version: 1
listeners: [{ name: edge, address: "127.0.0.1:8080" }]
services: { orders: { timeoutMs: 1000 }, carts: {} }
routes:
  - { name: orders, match: { path: /orders/* }, forward: { service: orders } }
`

describe('check', () => {
  test('lists warnings with their lines', async () => {
    const { path } = await writeTestFile('gateway.yaml', valid)
    expect(await runCommand('check', path)).toEqual({
      code: 0,
      out: `gateway.yaml:3: services.carts is used by no route (warning)\n${path}: 0 problems, 1 warning\n`,
      err: '',
    })
  })

  test('lists all problems with their lines, and ends with code 1', async () => {
    const { path } = await writeTestFile('gateway.yaml', `${valid}  - { name: orders, forward: {} }\nworkers: many\n`)
    const { code, out, err } = await runCommand('check', path)
    expect(code).toBe(1)
    expect(err).toBe(
      'gateway.yaml:6: routes[1].forward has no service\n' +
        'gateway.yaml:7: workers got "many", want an integer from 1 to 256\n',
    )
    expect(out).toBe(`${path}: 2 problems, 0 warnings\n`)
    const json = await runCommand('check', path, '--json')
    expect(JSON.parse(json.out)).toMatchObject({
      problems: [
        { path: 'routes[1].forward', line: 6 },
        { path: 'workers', line: 7 },
      ],
      warnings: [],
    })
  })

  test('reports a file that is missing or not YAML', async () => {
    expect(await runCommand('check', '/nowhere/gateway.yaml')).toMatchObject({ code: 1, err: expect.stringContaining('ENOENT') })
    const { path } = await writeTestFile('gateway.yaml', 'version: 1\nroutes: [')
    expect(await runCommand('check', path)).toMatchObject({ code: 1, err: expect.stringMatching(/^gateway\.yaml:\d+: .*YAML/) })
  })
})

const edge = `version: 1
listeners: [{ name: edge, address: "127.0.0.1:8080" }, { name: inside, address: "127.0.0.1:8081" }]
affinityKeys: ["file:/etc/sd/affinity.key"]
rateLimiters: { each: { limit: 5, windowMs: 1000 } }
routes:
  - name: preview
    match: { hosts: [api.example.com], path: /orders/*, headers: { x-preview: { present: true } } }
    forward: { service: orders, instances: { version: "2" } }
    affinity: { cookie: edge }
  - name: orders
    match: { hosts: [api.example.com], path: /orders/* }
    forward: [{ service: orders, weight: 95, instances: { version: "1" } }, { service: orders, weight: 5 }]
    rewrite: { prefix: /v1/orders }
    limits: { rate: { limiter: each } }
  - { name: old, match: { path: /old, methods: [GET] }, redirect: { path: /orders } }
  - { name: robots, listeners: [inside], match: { path: /robots.txt }, respond: { status: 204 } }
`

describe('explain', () => {
  test('shows the route, where the request goes, and why the others do not match', async () => {
    const { path } = await writeTestFile('gateway.yaml', edge)
    const { code, out } = await runCommand('explain', path, 'get', 'http://api.example.com/orders/1?full=1')
    expect(code).toBe(0)
    expect(out).toBe(`GET api.example.com/orders/1?full=1 on listener edge
takes route orders
  sends /v1/orders/1?full=1 to orders: 95 % of the requests, instances {"version":"1"}
  sends /v1/orders/1?full=1 to orders: 5 % of the requests
  limits: {"rate":{"limiter":"each"}}
  counts for the rate limit as address:127.0.0.1
Other routes:
  preview: match.headers.x-preview is not met
  old: match.path is not met
  robots: match.path is not met
`)
  })

  test.each([
    [['GET', 'http://api.example.com/orders/1', '-H', 'X-Preview: 1'], 0, 'takes route preview'],
    [['GET', 'http://api.example.com/orders/1', '-H', 'X-Preview: 1'], 0, '  orders: is less specific'],
    [['POST', 'http://any/old'], 1, 'gets 405: there are routes for GET'],
    [['GET', 'http://other.example.com/orders/1'], 1, 'gets 404: there is no route'],
    [['GET', 'http://any/old'], 0, '  redirects to http://any/orders'],
    [['GET', 'http://any/robots.txt', '--listener', 'inside'], 0, '  responds 204'],
    [['GET', 'http://any/orders/%2fetc'], 1, 'is refused before any route: 400'],
  ])('%j', async (args, code, text) => {
    const { path } = await writeTestFile('gateway.yaml', edge)
    const result = await runCommand('explain', path, ...args)
    expect(result.out).toContain(text)
    expect(result.code).toBe(code)
  })

  test('shows requests of other protocols', async () => {
    const routes = `${edge}  - { name: calls, match: { protocol: grpc, path: /shop.Carts/* }, forward: { service: carts } }\n`
    const { path } = await writeTestFile('gateway.yaml', routes)
    const url = 'http://any/shop.Carts/Get'
    expect((await runCommand('explain', path, 'POST', url, '--protocol', 'grpc')).out).toContain('takes route calls')
    expect((await runCommand('explain', path, 'POST', url)).out).toContain('gets 404')
    expect(await runCommand('explain', path, 'tcp://db')).toMatchObject({ code: 2, err: expect.stringContaining('Invalid url') })
    const streams = `version: 1
listeners: [{ name: db, address: "127.0.0.1:5432", protocols: [tcp] }]
routes: [{ name: db, match: { protocol: tcp }, forward: { service: db } }]
`
    const { path: other } = await writeTestFile('gateway.yaml', streams)
    expect((await runCommand('explain', other, 'tcp://db')).out).toContain(
      'takes route db\n  sends connections to db: 100 % of them\n',
    )
  })

  test('is JSON on demand', async () => {
    const { path } = await writeTestFile('gateway.yaml', edge)
    const { out } = await runCommand('explain', path, 'GET', 'http://any/old', '--json')
    expect(JSON.parse(out)).toMatchObject({ route: 'old', location: 'http://any/orders' })
  })
})

describe('the command line', () => {
  test.each([
    [[], 'Invalid command: got undefined, want one of run, check, explain'],
    [['start'], 'Invalid command: got "start"'],
    [['check'], 'Invalid file: got undefined, want a path: sd-gateway check gateway.yaml'],
    [['run', 'a.yaml', 'b.yaml'], 'want nothing after the file of run'],
    [['run', 'a.yaml', '--json'], 'Invalid command line: got "--json"'],
    [['check', 'a.yaml', '-H', 'x: y'], 'want them with explain only'],
    [['explain', 'a.yaml'], 'Invalid method'],
    [['explain', 'a.yaml', 'GET', '/orders'], 'Invalid url: got "/orders"'],
    [['explain', 'a.yaml', 'GET', 'http://a/', 'http://b/'], 'want nothing after the URL'],
    [['explain', 'a.yaml', 'GET', 'http://a/', '-H', 'x'], 'Invalid --header: got "x"'],
    [['check', 'a.yaml', '--quiet'], "Unknown option '--quiet'"],
  ])('%j is refused with code 2', async (args, message) => {
    expect(await runCommand(...args)).toMatchObject({ code: 2, err: expect.stringContaining(message) })
  })

  test('shows help and version', async () => {
    expect((await runCommand('--help')).out).toContain('sd-gateway explain <file> <method> <url>')
    expect((await runCommand('--version')).out).toMatch(/^\d+\.\d+\.\d+\n$/)
  })
})
