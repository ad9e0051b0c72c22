import { Controller, Get, Module, Param } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { prices, registry, stock } from '@sd/example-shop'
import { SdClient, SdConfig, SdDrain, SdMetricsModule, SdModule } from '@sd/nestjs'

const port = Number(process.env['PORT'] ?? 3000)

@Controller('orders')
class OrdersController {
  constructor(
    private readonly client: SdClient,
    private readonly config: SdConfig<{ currency: string }>,
  ) {}

  @Get(':id')
  async find(@Param('id') id: string): Promise<object> {
    const [item, price] = await Promise.all([stock(this.client).find(id), prices(this.client).find(id)])
    return { id, pieces: item.pieces, price: `${price.amount} ${this.config.current.currency}` }
  }
}

const sd = SdModule.forRoot({
  service: 'orders',
  registry,
  needs: ['stock', 'prices'],
  config: { file: 'orders.yaml', defaults: { currency: 'EUR' } },
})

@Module({ imports: [sd, SdMetricsModule.forRoot()], controllers: [OrdersController], providers: [SdDrain] })
class AppModule {}

const app = await NestFactory.create(AppModule)
app.enableShutdownHooks([], { useProcessExit: true })
await app.listen(port)
