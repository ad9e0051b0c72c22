import { Controller, Get, Module, Param } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { SdDrain, SdModule } from '@sd/nestjs'

@Controller('hello')
class HelloController {
  @Get(':name')
  find(@Param('name') name: string): object {
    return { hello: name }
  }
}

const sd = SdModule.forRoot({ service: 'my-service', registry: process.env['REGISTRY'] ?? 'memory:' })

@Module({ imports: [sd], controllers: [HelloController], providers: [SdDrain] })
class AppModule {}

const app = await NestFactory.create(AppModule)
app.enableShutdownHooks([], { useProcessExit: true })
await app.listen(Number(process.env['PORT'] ?? 3000))
