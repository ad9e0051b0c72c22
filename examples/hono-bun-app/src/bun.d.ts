import type { BunServer } from '@sd/lifecycle'

// What the app uses of Bun. A project of its own has `@types/bun`; here it would change the types of all other packages.
declare global {
  const Bun: {
    serve(options: { port: number; fetch(request: Request): Response | Promise<Response> }): BunServer
  }
}
