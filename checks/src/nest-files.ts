// The files of a Nest project, as its templates have them. `nest.ts` compiles and runs them.

const app = `import { Controller, Get, Inject, Injectable, Module, Param, Scope } from '@nestjs/common'
import { ConfigValue, SdApp, SdClient, SdDrain, SdMetricsModule, SdModule, ServiceCall, ServiceClient, sent } from '@sd/nestjs'

@ServiceClient('orders')
@Injectable()
export class OrdersClient {
  @ServiceCall('GET /api/orders/{id}')
  find(id: string): Promise<object> {
    return sent()
  }
}

@Injectable()
export class Database {
  isOpen = true
  onModuleDestroy(): void {
    this.isOpen = false
    console.log('database closed')
  }
}

@Module({ providers: [Database], exports: [Database] })
class DatabaseModule {}

@Injectable({ scope: Scope.REQUEST })
export class Basket {
  @ConfigValue<string>('currency')
  get currency(): string {
    return 'EUR'
  }
}

@Controller('orders')
export class OrdersController {
  constructor(
    private readonly database: Database,
    private readonly basket: Basket,
    private readonly orders: OrdersClient,
    private readonly client: SdClient,
    @Inject(SdApp) private readonly app: SdApp,
  ) {}

  @Get(':id')
  find(@Param('id') id: string): object {
    return { id, currency: this.basket.currency }
  }

  @Get(':id/slow')
  async slow(@Param('id') id: string): Promise<object> {
    const order = await this.orders.find(id)
    process.kill(process.pid, 'SIGTERM')
    await new Promise((resolve) => setTimeout(resolve, 300))
    // The caller is in the same process, which may end before it has read the response.
    console.log(JSON.stringify({ order, isOpen: this.database.isOpen, state: this.app.state, hasClient: this.client !== undefined }))
    return {}
  }
}

@Module({
  imports: [
    SdModule.forRoot({
      service: 'orders',
      registry: 'memory:',
      instance: { address: '127.0.0.1' },
      config: { defaults: { currency: 'CHF' } },
      lifecycle: { propagationDelayMs: 100 },
      onClose: [() => console.log('closed')],
    }),
    SdMetricsModule.forRoot(),
    DatabaseModule,
  ],
  controllers: [OrdersController],
  providers: [OrdersClient, Basket, SdDrain],
})
export class AppModule {}
`

const main = (asModule: boolean): string => `import { NestFactory } from '@nestjs/core'
import { FastifyAdapter } from '@nestjs/platform-fastify'
import { SdApp } from '@sd/nestjs'
import { AppModule } from './app.js'

async function bootstrap(): Promise<void> {
  const options = { logger: ['error', 'warn'] as ('error' | 'warn')[] }
  const app = process.env['ADAPTER'] === 'Fastify'
    ? await NestFactory.create(AppModule, new FastifyAdapter(), options)
    : await NestFactory.create(AppModule, options)
  app.setGlobalPrefix('api')
  app.enableShutdownHooks()
  await app.listen(0, '127.0.0.1')
  const url = await app.getUrl()
  while (app.get(SdApp).state !== 'ready') await new Promise((resolve) => setTimeout(resolve, 10))
  for (const path of ['/health/ready', '/metrics']) console.log(path, (await fetch(url + path)).status)
  await fetch(url + '/api/orders/7/slow')
}
${asModule ? 'await bootstrap()' : 'void bootstrap()'}
`

/** What the program prints, on either major and adapter. */
export const printed: readonly string[] = [
  '/health/ready 200',
  '/metrics 200',
  '{"order":{"id":"7","currency":"CHF"},"isOpen":true,"state":"stopping","hasClient":true}',
  'database closed',
  'closed',
]

const testFile = `import { Test } from '@nestjs/testing'
import { SdConfig, SdTesting, SdTestingModule } from '@sd/nestjs'
import { AppModule, OrdersClient } from './app.js'

declare const test: (name: string, run: () => Promise<void>) => void
declare const expect: (value: unknown) => { toEqual(other: unknown): void }

test('the application in a test', async () => {
  const testing = SdTestingModule.forRoot({ services: { orders: { 'GET /api/orders/{id}': ({ params }) => ({ fake: params['id'] }) } } })
  const moduleRef = await Test.createTestingModule({ imports: [AppModule, testing] }).compile()
  const app = await moduleRef.createNestApplication({ logger: false }).init()
  expect(await app.get(OrdersClient).find('7')).toEqual({ fake: '7' })
  expect(app.get(SdTesting).calls.length).toEqual(1)
  expect(app.get(SdConfig).current).toEqual({ currency: 'CHF' })
  await app.close()
})
`

const swc = `const { readdirSync, readFileSync, writeFileSync, mkdirSync } = require('node:fs')
const { transformSync } = require('@swc/core')
const type = process.argv[2]
mkdirSync('out-swc', { recursive: true })
writeFileSync('out-swc/package.json', JSON.stringify({ type: type === 'es6' ? 'module' : 'commonjs' }))
for (const file of readdirSync('src')) {
  const { code } = transformSync(readFileSync('src/' + file, 'utf8'), {
    filename: file,
    jsc: { parser: { syntax: 'typescript', decorators: true }, transform: { legacyDecorator: true, decoratorMetadata: true }, target: 'es2022' },
    module: { type },
  })
  writeFileSync('out-swc/' + file.replace('.ts', '.js'), code)
}
`

/** The files of a project, by path. */
export function projectFiles(asModule: boolean, typeRoots: string): Readonly<Record<string, string>> {
  return {
    'package.json': JSON.stringify({ name: 'user', private: true, type: asModule ? 'module' : 'commonjs' }),
    'src/app.ts': app,
    'src/main.ts': main(asModule),
    'src/app.test.ts': testFile,
    'swc.cjs': swc,
    // As in the templates of Nest.
    'tsconfig.json': JSON.stringify({
      compilerOptions: {
        module: 'nodenext',
        moduleResolution: 'nodenext',
        target: 'es2023',
        strict: true,
        isolatedModules: true,
        experimentalDecorators: true,
        emitDecoratorMetadata: true,
        skipLibCheck: true,
        rootDir: 'src',
        types: ['node'],
        typeRoots: [typeRoots],
      },
      include: ['src'],
    }),
    'vitest.config.mjs': "export default { test: { globals: true, include: ['src/*.test.ts'] } }\n",
    'jest.config.cjs': "module.exports = { testMatch: ['**/out-tsc/*.test.js'] }\n",
  }
}
