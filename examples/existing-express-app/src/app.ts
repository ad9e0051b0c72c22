import express, { type Express } from 'express'

/** The app as it was before: it knows nothing of @sd. */
export function createApp(): Express {
  const app = express()
  app.get('/greetings/:name', (request, response) => {
    setTimeout(() => response.json({ greeting: `Hello, ${request.params.name}` }), 20)
  })
  return app
}
