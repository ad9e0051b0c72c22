import { Controller, Get, Module, Param } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'

const port = Number(process.env['PORT'] ?? 3000)
const { STOCK = 'http://127.0.0.1:3001', PRICES = 'http://127.0.0.1:3002' } = process.env

@Controller('orders')
class OrdersController {
  @Get(':id')
  async find(@Param('id') id: string): Promise<object> {
    const [item, price] = await Promise.all([
      fetch(`${STOCK}/stock/${id}`).then((found) => found.json() as Promise<{ pieces: number }>),
      fetch(`${PRICES}/prices/${id}`).then((found) => found.json() as Promise<{ amount: number }>),
    ])
    return { id, pieces: item.pieces, price: `${price.amount} EUR` }
  }
}

@Module({ controllers: [OrdersController] })
class AppModule {}

const app = await NestFactory.create(AppModule)
await app.listen(port)
