import { createApp } from '@sd/app'
import { createNacosConfigSource } from '@sd/config-nacos'

// An application that prints its configuration at the start and after each change. Arguments: a file, the port of Nacos, a namespace.

const [file = '', port = '', namespace = ''] = process.argv.slice(2)

const app = await createApp({
  service: 'orders',
  registry: 'memory:',
  config: {
    defaults: { a: 'defaults', b: 'defaults', c: 'defaults', d: 'defaults' },
    file,
    center: createNacosConfigSource({ servers: [`127.0.0.1:${port}`], dataIds: ['orders.yaml'], namespace }),
  },
})
const print = (): void => void process.stdout.write(`${JSON.stringify(app.config.current)}\n`)
print()
for (const path of ['c', 'd']) app.config.onChange(path, print)
process.once('SIGTERM', () => app.close())
