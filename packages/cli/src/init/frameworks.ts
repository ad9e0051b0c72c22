/** A framework for which services are written. Its program is `templates/<name>.ts`. */
export interface Framework {
  /** As people write it. */
  readonly title: string
  /** Packages besides `@sd/core` and the registry's. */
  readonly dependencies: readonly string[]
  /** Packages for development besides TypeScript and the types of Node.js. @default none */
  readonly devDependencies?: readonly string[]
  /** Whether it needs a compiler: Node.js runs TypeScript, but not decorators. @default false */
  readonly isCompiled?: boolean
}

/** All frameworks, by the value of `--framework`. */
export const frameworks: Readonly<Record<string, Framework>> = {
  express: { title: 'Express', dependencies: ['@sd/app', 'express'], devDependencies: ['@types/express'] },
  fastify: { title: 'Fastify', dependencies: ['@sd/fastify', 'fastify'] },
  nestjs: {
    title: 'NestJS',
    dependencies: ['@nestjs/common', '@nestjs/core', '@nestjs/platform-express', '@sd/nestjs', 'reflect-metadata', 'rxjs'],
    isCompiled: true,
  },
  hono: { title: 'Hono on Node.js', dependencies: ['@hono/node-server', '@sd/app', 'hono'] },
  koa: { title: 'Koa', dependencies: ['@sd/app', 'koa'], devDependencies: ['@types/koa'] },
  http: { title: 'node:http', dependencies: ['@sd/app'] },
}
