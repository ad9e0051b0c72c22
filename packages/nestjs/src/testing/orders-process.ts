import { setTimeout as delay } from 'node:timers/promises'
import { Controller, Get, Injectable, Module, Post } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { ExpressAdapter } from '@nestjs/platform-express'
import { FastifyAdapter } from '@nestjs/platform-fastify'
import { SdDrain, SdModule } from '../index.ts'

// A process for tests, ended by SIGTERM. Decorators are called as functions, so that Node runs it uncompiled.

/** What every request needs, and what Nest ends early. */
class Database {
  #isOpen = true
  async query(): Promise<string> {
    await delay(Math.random() * Number(process.env['SLOWEST_MS'] ?? 50))
    if (!this.#isOpen) throw new Error('the database is closed')
    return 'done'
  }
  onModuleDestroy(): void {
    this.#isOpen = false
  }
}
Injectable()(Database)

class OrdersController {
  readonly database: Database
  constructor(database: Database) {
    this.database = database
  }
  find(): Promise<string> {
    return this.database.query()
  }
  add(): Promise<string> {
    return this.database.query()
  }
}
Controller('orders')(OrdersController)
Reflect.defineMetadata('design:paramtypes', [Database], OrdersController)
for (const [name, decorate] of [
  ['find', Get()],
  ['add', Post()],
] as const) {
  decorate(
    OrdersController.prototype,
    name,
    Object.getOwnPropertyDescriptor(OrdersController.prototype, name) as PropertyDescriptor,
  )
}

class OrdersModule {}
Module({ controllers: [OrdersController], providers: [Database] })(OrdersModule)
class RootModule {}
const registry = process.env['REGISTRY'] as string
const instance = { address: '127.0.0.1' }
const lifecycle = { propagationDelayMs: Number(process.env['DELAY_MS'] ?? 1_000), stepTimeoutMs: 2_000 }
const sd = SdModule.forRoot({ service: 'orders', registry, instance, lifecycle })
Module({ imports: [sd, OrdersModule], providers: [SdDrain] })(RootModule)

const adapter = process.env['ADAPTER'] === 'Fastify' ? new FastifyAdapter() : new ExpressAdapter()
const app = await NestFactory.create(RootModule, adapter, { logger: ['error', 'warn'] })
app.enableShutdownHooks([], { useProcessExit: process.env['EXITS'] === '1' })
await app.listen(0, '127.0.0.1')
process.stdout.write(`url ${await app.getUrl()}\n`)
