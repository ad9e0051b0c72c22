import express, { type Express } from 'express'

/** The app before the adoption, without any @sd package. */
export function createApp(): Express {
  const app = express()
  app.get('/greetings/:name', (request, response) => {
    setTimeout(() => response.json({ greeting: `Hello, ${request.params.name}` }), 20)
  })
  return app
}
